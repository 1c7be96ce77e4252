package io.longhorn.api.cluster;

import io.longhorn.api.VolumeId;
import io.longhorn.api.VolumeName;
import io.longhorn.api.wire.FieldReader;
import io.longhorn.api.wire.FieldWriter;
import io.longhorn.api.wire.WireFormatException;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;

/**
 * A volume: what is wanted of it and what it is.
 *
 * @param deletedAtMillis when its deletion was asked for, 0 if it was not
 */
public record Volume(String name, Spec spec, Status status, long deletedAtMillis)
    implements ClusterObject {
  /** Most conditions a volume shows. */
  public static final int MAX_CONDITIONS = 16;

  /** The name has to be a volume's. */
  public Volume {
    name = new VolumeName(name).value();
  }

  /**
   * What is wanted.
   *
   * @param id written into every replica directory
   * @param sizeBytes whole blocks of 4 KiB
   * @param numberOfReplicas 1 to 8
   * @param isMigratable whether it may be attached to two nodes, to move from one to the other
   * @param image what its engine and replicas are to run from
   * @param nodeID where it is to be attached, empty for nowhere
   * @param migrationNodeID where it is to migrate to, empty for nowhere
   */
  public record Spec(
      VolumeId id,
      long sizeBytes,
      int numberOfReplicas,
      boolean isMigratable,
      String image,
      String nodeID,
      String migrationNodeID) {
    /** Wanted on another node. */
    public Spec withNodeID(String node) {
      return new Spec(id, sizeBytes, numberOfReplicas, isMigratable, image, node, migrationNodeID);
    }

    FieldWriter write() {
      return new FieldWriter()
          .uuid(1, id.uuid())
          .number(2, sizeBytes)
          .number(3, numberOfReplicas)
          .bool(4, isMigratable)
          .text(5, image)
          .text(6, nodeID)
          .text(7, migrationNodeID);
    }

    static Spec read(FieldReader in) {
      return new Spec(
          new VolumeId(in.uuid(1)),
          in.number(2),
          in.intNumber(3),
          in.bool(4),
          in.text(5),
          in.text(6),
          in.text(7));
    }
  }

  /**
   * What it is.
   *
   * @param state of its attachment
   * @param robustness of its data
   * @param currentNodeID where it is attached: set when that is complete, cleared when detaching is
   * @param currentMigrationNodeID where it is migrating to
   * @param currentImage what its engine runs from
   * @param lastDegradedAtMillis when it last became degraded, 0 if never
   * @param conditions what it waits for, and since when
   */
  public record Status(
      State state,
      Robustness robustness,
      String currentNodeID,
      String currentMigrationNodeID,
      String currentImage,
      long lastDegradedAtMillis,
      List<Condition> conditions) {
    /** Copies the list. */
    public Status {
      conditions = List.copyOf(conditions);
      if (conditions.size() > MAX_CONDITIONS) {
        throw new IllegalArgumentException(conditions.size() + " conditions are too many");
      }
    }

    /** Attached, or not, to the given node; empty for none. */
    public Status with(State next, String nodeID) {
      return new Status(
          next,
          robustness,
          nodeID,
          currentMigrationNodeID,
          currentImage,
          lastDegradedAtMillis,
          conditions);
    }

    /** With the state of its data. */
    public Status with(Robustness next, long nowMillis) {
      boolean isFresh = next == Robustness.DEGRADED && robustness != Robustness.DEGRADED;
      return new Status(
          state,
          next,
          currentNodeID,
          currentMigrationNodeID,
          currentImage,
          isFresh ? nowMillis : lastDegradedAtMillis,
          conditions);
    }

    /** With what it waits for; a condition that says the same as before keeps its time. */
    public Status with(List<Condition> now) {
      List<Condition> next = new ArrayList<>();
      for (Condition condition : now) {
        next.add(condition(condition.type()).filter(condition::saysSame).orElse(condition));
      }
      return new Status(
          state,
          robustness,
          currentNodeID,
          currentMigrationNodeID,
          currentImage,
          lastDegradedAtMillis,
          next);
    }

    /** The condition of a type. */
    public Optional<Condition> condition(String type) {
      return conditions.stream().filter(condition -> condition.type().equals(type)).findFirst();
    }

    FieldWriter write() {
      FieldWriter out =
          new FieldWriter()
              .number(1, state.code)
              .number(2, robustness.code)
              .text(3, currentNodeID)
              .text(4, currentMigrationNodeID)
              .text(5, currentImage)
              .number(6, lastDegradedAtMillis);
      conditions.forEach(condition -> out.nested(7, condition.write()));
      return out;
    }

    static Status read(FieldReader in) {
      return new Status(
          State.ofCode(in.number(1)),
          Robustness.ofCode(in.number(2)),
          in.text(3),
          in.text(4),
          in.text(5),
          in.number(6),
          in.allNested(7).stream().map(Condition::read).toList());
    }
  }

  /** Of its attachment (section 7.1). Numbers are for ever. */
  public enum State {
    /** Its engine and replicas are being made. */
    CREATING(1),
    /** No engine, no replica runs. */
    DETACHED(2),
    /** Replicas, then the engine, are being started. */
    ATTACHING(3),
    /** It is served. */
    ATTACHED(4),
    /** The engine, then the replicas, are being stopped. */
    DETACHING(5),
    /** On its way out. */
    DELETING(6);

    private final int code;

    State(int code) {
      this.code = code;
    }

    private static State ofCode(long code) {
      for (State state : values()) {
        if (state.code == code) {
          return state;
        }
      }
      throw new WireFormatException("volume in unknown state " + code);
    }

    /** As Longhorn spells it. */
    public String text() {
      return switch (this) {
        case CREATING -> "creating";
        case DETACHED -> "detached";
        case ATTACHING -> "attaching";
        case ATTACHED -> "attached";
        case DETACHING -> "detaching";
        case DELETING -> "deleting";
      };
    }
  }

  /** Of its data (section 7.2). Numbers are for ever. */
  public enum Robustness {
    /** Every replica wanted is in sync. */
    HEALTHY(1),
    /** Fewer than wanted are. */
    DEGRADED(2),
    /** It was attached and its engine is gone. */
    FAULTED(3),
    /** Detached, or nobody can say. */
    UNKNOWN(4);

    private final int code;

    Robustness(int code) {
      this.code = code;
    }

    private static Robustness ofCode(long code) {
      for (Robustness robustness : values()) {
        if (robustness.code == code) {
          return robustness;
        }
      }
      throw new WireFormatException("volume of unknown robustness " + code);
    }

    /** As Longhorn spells it. */
    public String text() {
      return switch (this) {
        case HEALTHY -> "healthy";
        case DEGRADED -> "degraded";
        case FAULTED -> "faulted";
        case UNKNOWN -> "unknown";
      };
    }
  }

  @Override
  public ObjectKind kind() {
    return ObjectKind.VOLUME;
  }

  /** Wanted otherwise. */
  public Volume with(Spec next) {
    return new Volume(name, next, status, deletedAtMillis);
  }

  /** Seen otherwise. */
  public Volume with(Status next) {
    return new Volume(name, spec, next, deletedAtMillis);
  }

  /** To be deleted. */
  public Volume deletedAt(long nowMillis) {
    return new Volume(name, spec, status, nowMillis);
  }

  /** Whether its deletion was asked for. */
  public boolean isDeleted() {
    return deletedAtMillis != 0;
  }

  @Override
  public FieldWriter write() {
    return new FieldWriter()
        .text(1, name)
        .nested(2, spec.write())
        .nested(3, status.write())
        .number(4, deletedAtMillis);
  }

  static Volume read(FieldReader in) {
    return new Volume(in.text(1), Spec.read(in.nested(2)), Status.read(in.nested(3)), in.number(4));
  }
}

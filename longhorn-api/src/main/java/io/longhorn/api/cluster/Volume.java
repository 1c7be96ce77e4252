package io.longhorn.api.cluster;

import io.longhorn.api.VolumeId;
import io.longhorn.api.VolumeName;
import io.longhorn.api.wire.FieldReader;
import io.longhorn.api.wire.FieldWriter;
import io.longhorn.api.wire.WireFormatException;
import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import java.util.Optional;
import java.util.SortedSet;
import java.util.TreeSet;

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
   * @param isMigratable whether it may be attached to two nodes, to move from one to the other, if
   *     its access mode allows that
   * @param accessMode who may have it at the same time
   * @param image what its engine and replicas are to run from
   * @param nodeID where it is to be attached, empty for nowhere
   * @param migrationNodeID where it is to migrate to, empty for nowhere
   * @param isFrontendDisabled whether it is to have no frontend
   * @param staleReplicaTimeoutMinutes how long a failed replica is kept, 0 for ever
   * @param placement where its replicas may be
   */
  public record Spec(
      VolumeId id,
      long sizeBytes,
      int numberOfReplicas,
      boolean isMigratable,
      AccessMode accessMode,
      String image,
      String nodeID,
      String migrationNodeID,
      boolean isFrontendDisabled,
      int staleReplicaTimeoutMinutes,
      Placement placement) {
    /** How long a failed replica is kept unless somebody says otherwise. */
    public static final int STALE_REPLICA_TIMEOUT_MINUTES = 2880;

    /** Of a new volume: wanted nowhere, replicas anywhere; shared if it is to migrate. */
    public static Spec of(
        VolumeId id, long sizeBytes, int numberOfReplicas, boolean isMigratable, String image) {
      return new Spec(
          id,
          sizeBytes,
          numberOfReplicas,
          isMigratable,
          isMigratable ? AccessMode.RWX : AccessMode.RWO,
          image,
          "",
          "",
          false,
          STALE_REPLICA_TIMEOUT_MINUTES,
          Placement.ANYWHERE);
    }

    /** Wanted on another node. */
    public Spec withNodeID(String node) {
      return with(node, migrationNodeID);
    }

    /** Wanted to migrate to a node. */
    public Spec withMigrationNodeID(String node) {
      return with(nodeID, node);
    }

    /** Wanted on one node, and to migrate to another. */
    public Spec with(String node, String migrationNode) {
      return new Spec(
          id,
          sizeBytes,
          numberOfReplicas,
          isMigratable,
          accessMode,
          image,
          node,
          migrationNode,
          isFrontendDisabled,
          staleReplicaTimeoutMinutes,
          placement);
    }

    /** With a frontend, or without. */
    public Spec withFrontendDisabled(boolean disabled) {
      return new Spec(
          id,
          sizeBytes,
          numberOfReplicas,
          isMigratable,
          accessMode,
          image,
          nodeID,
          migrationNodeID,
          disabled,
          staleReplicaTimeoutMinutes,
          placement);
    }

    /** To run from another image. */
    public Spec withImage(String next) {
      return new Spec(
          id,
          sizeBytes,
          numberOfReplicas,
          isMigratable,
          accessMode,
          next,
          nodeID,
          migrationNodeID,
          isFrontendDisabled,
          staleReplicaTimeoutMinutes,
          placement);
    }

    /** With so many replicas, placed so, failed ones kept for so long. */
    public Spec with(int replicas, int staleTimeoutMinutes, Placement where) {
      return new Spec(
          id,
          sizeBytes,
          replicas,
          isMigratable,
          accessMode,
          image,
          nodeID,
          migrationNodeID,
          isFrontendDisabled,
          staleTimeoutMinutes,
          where);
    }

    FieldWriter write() {
      return new FieldWriter()
          .uuid(1, id.uuid())
          .number(2, sizeBytes)
          .number(3, numberOfReplicas)
          .bool(4, isMigratable)
          .text(5, image)
          .text(6, nodeID)
          .text(7, migrationNodeID)
          .number(8, accessMode.code)
          .bool(9, isFrontendDisabled)
          .number(10, staleReplicaTimeoutMinutes)
          .nested(11, placement.write());
    }

    static Spec read(FieldReader in) {
      Spec first =
          of(new VolumeId(in.uuid(1)), in.number(2), in.intNumber(3), in.bool(4), in.text(5));
      if (!in.has(11)) {
        return first.with(in.text(6), in.text(7));
      }
      return new Spec(
          first.id,
          first.sizeBytes,
          first.numberOfReplicas,
          first.isMigratable,
          AccessMode.ofCode(in.number(8)),
          first.image,
          in.text(6),
          in.text(7),
          in.bool(9),
          in.intNumber(10),
          Placement.read(in.nested(11)));
    }
  }

  /**
   * Where the replicas of a volume may be.
   *
   * @param dataLocality whether one has to be on the node where the volume is attached
   * @param nodeTags a node has to have them all
   * @param diskTags a disk has to have them all
   * @param nodeSoftAntiAffinity whether two may share a node if there is no other way
   * @param zoneSoftAntiAffinity whether two may share a zone if there is no other way
   * @param diskSoftAntiAffinity whether two may share a disk if there is no other way
   */
  public record Placement(
      DataLocality dataLocality,
      SortedSet<String> nodeTags,
      SortedSet<String> diskTags,
      Choice nodeSoftAntiAffinity,
      Choice zoneSoftAntiAffinity,
      Choice diskSoftAntiAffinity) {
    /** As the settings of the cluster say, anywhere. */
    public static final Placement ANYWHERE =
        new Placement(
            DataLocality.DISABLED,
            Collections.emptySortedSet(),
            Collections.emptySortedSet(),
            Choice.IGNORED,
            Choice.IGNORED,
            Choice.IGNORED);

    /** Copies the sets. */
    public Placement {
      nodeTags = Collections.unmodifiableSortedSet(new TreeSet<>(nodeTags));
      diskTags = Collections.unmodifiableSortedSet(new TreeSet<>(diskTags));
    }

    /** Whether data has to be where the engine is. Numbers are for ever. */
    public enum DataLocality {
      /** It need not. */
      DISABLED(1, "disabled"),
      /** One replica there, if that can be. */
      BEST_EFFORT(2, "best-effort"),
      /** The only replica is there, or the volume is not attached. */
      STRICT_LOCAL(3, "strict-local");

      private final int code;
      private final String text;

      DataLocality(int code, String text) {
        this.code = code;
        this.text = text;
      }

      private static DataLocality ofCode(long code) {
        for (DataLocality one : values()) {
          if (one.code == code) {
            return one;
          }
        }
        throw new WireFormatException("unknown data locality " + code);
      }

      /** As Longhorn spells it. */
      public String text() {
        return text;
      }
    }

    /** A volume's own word on a setting. Numbers are for ever. */
    public enum Choice {
      /** None: the setting of the cluster decides. */
      IGNORED(1),
      /** Yes. */
      ENABLED(2),
      /** No. */
      DISABLED(3);

      private final int code;

      Choice(int code) {
        this.code = code;
      }

      private static Choice ofCode(long code) {
        for (Choice one : values()) {
          if (one.code == code) {
            return one;
          }
        }
        throw new WireFormatException("unknown choice " + code);
      }

      /** What holds, given what the setting of the cluster says. */
      public boolean or(boolean setting) {
        return switch (this) {
          case IGNORED -> setting;
          case ENABLED -> true;
          case DISABLED -> false;
        };
      }
    }

    FieldWriter write() {
      FieldWriter out = new FieldWriter().number(1, dataLocality.code);
      out.texts(2, nodeTags);
      out.texts(3, diskTags);
      return out.number(4, nodeSoftAntiAffinity.code)
          .number(5, zoneSoftAntiAffinity.code)
          .number(6, diskSoftAntiAffinity.code);
    }

    static Placement read(FieldReader in) {
      return new Placement(
          DataLocality.ofCode(in.number(1)),
          in.allTexts(2),
          in.allTexts(3),
          Choice.ofCode(in.number(4)),
          Choice.ofCode(in.number(5)),
          Choice.ofCode(in.number(6)));
    }
  }

  /** Who may have it at the same time. Numbers are for ever. */
  public enum AccessMode {
    /** One node. */
    RWO(1),
    /** One pod. */
    RWOP(2),
    /** Several nodes. */
    RWX(3);

    private final int code;

    AccessMode(int code) {
      this.code = code;
    }

    private static AccessMode ofCode(long code) {
      for (AccessMode mode : values()) {
        if (mode.code == code) {
          return mode;
        }
      }
      throw new WireFormatException("volume with unknown access mode " + code);
    }

    /** As Longhorn spells it. */
    public String text() {
      return switch (this) {
        case RWO -> "rwo";
        case RWOP -> "rwop";
        case RWX -> "rwx";
      };
    }
  }

  /**
   * How an upgrade of its engine goes, or how the last one ended if that was not well.
   *
   * @param phase how far it is
   * @param image to which it is; empty if there is none
   * @param attempts how many tries have failed
   * @param lastError why the last one failed, empty if none has
   * @param sinceMillis when it began, 0 if none goes on
   * @param attemptMillis since when the present try has not got any further, 0 if it does not try
   */
  public record Upgrade(
      Phase phase,
      String image,
      int attempts,
      String lastError,
      long sinceMillis,
      long attemptMillis) {
    /** Longest error kept, in characters. */
    public static final int MAX_ERROR_LENGTH = 512;

    /** None goes on. */
    public static final Upgrade NONE = new Upgrade(Phase.NONE, "", 0, "", 0, 0);

    /** Cuts an error that is too long. */
    public Upgrade {
      if (lastError.length() > MAX_ERROR_LENGTH) {
        // Not in the middle of a character: half of one is not text.
        int end = MAX_ERROR_LENGTH - 1;
        end -= Character.isHighSurrogate(lastError.charAt(end - 1)) ? 1 : 0;
        lastError = lastError.substring(0, end) + "…";
      }
    }

    /** How far one is. Numbers are for ever. */
    public enum Phase {
      /** None goes on. */
      NONE(1, "none"),
      /** It waits until it may begin, or for the volume to be detached. */
      WAITING(2, "waiting"),
      /** Replicas that stand by are being started. */
      PREPARING(3, "preparing"),
      /** Another process of the engine is to take over. */
      SWITCHING(4, "switching"),
      /** It was given up, by a person or after too many tries. */
      ROLLED_BACK(5, "rolled-back");

      private final int code;
      private final String text;

      Phase(int code, String text) {
        this.code = code;
        this.text = text;
      }

      private static Phase ofCode(long code) {
        for (Phase one : values()) {
          if (one.code == code) {
            return one;
          }
        }
        throw new WireFormatException("upgrade in unknown phase " + code);
      }

      /** For a person. */
      public String text() {
        return text;
      }
    }

    /** One that begins. */
    public static Upgrade begun(String image, long nowMillis) {
      return new Upgrade(Phase.WAITING, image, 0, "", nowMillis, 0);
    }

    /** Whether one goes on. */
    public boolean isUnderWay() {
      return switch (phase) {
        case WAITING, PREPARING, SWITCHING -> true;
        case NONE, ROLLED_BACK -> false;
      };
    }

    /** In another phase; a try begins with it, or none is made. */
    public Upgrade in(Phase next, long nowMillis) {
      boolean isTrying = next == Phase.PREPARING || next == Phase.SWITCHING;
      long tried = !isTrying ? 0 : next == phase && attemptMillis != 0 ? attemptMillis : nowMillis;
      return new Upgrade(next, image, attempts, lastError, sinceMillis, tried);
    }

    /** One more try has failed; the next one begins. */
    public Upgrade failed(String error, long nowMillis) {
      return new Upgrade(phase, image, attempts + 1, error, sinceMillis, nowMillis);
    }

    /** Given up. */
    public Upgrade rolledBack() {
      return new Upgrade(Phase.ROLLED_BACK, image, attempts, lastError, 0, 0);
    }

    FieldWriter write() {
      return new FieldWriter()
          .number(1, attempts)
          .text(2, lastError)
          .number(3, sinceMillis)
          .number(4, phase.code)
          .text(5, image)
          .number(6, attemptMillis);
    }

    static Upgrade read(FieldReader in) {
      return new Upgrade(
          Phase.ofCode(in.number(4, Phase.NONE.code)),
          in.optionalText(5).orElse(""),
          in.intNumber(1),
          in.text(2),
          in.number(3),
          in.number(6, 0));
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
   * @param isFrontendDisabled whether it is attached without a frontend
   * @param lastDegradedAtMillis when it last became degraded, 0 if never
   * @param remountRequestedAtMillis when it last came back after its engine was lost: what has it
   *     mounted has to mount it anew; 0 if never
   * @param upgrade how an upgrade of its engine goes
   * @param conditions what it waits for, and since when
   */
  public record Status(
      State state,
      Robustness robustness,
      String currentNodeID,
      String currentMigrationNodeID,
      String currentImage,
      boolean isFrontendDisabled,
      long lastDegradedAtMillis,
      long remountRequestedAtMillis,
      Upgrade upgrade,
      List<Condition> conditions) {
    /** Copies the list. */
    public Status {
      conditions = List.copyOf(conditions);
      if (conditions.size() > MAX_CONDITIONS) {
        throw new IllegalArgumentException(conditions.size() + " conditions are too many");
      }
    }

    /** Of a new volume. */
    public static Status creating(String image) {
      return new Status(
          State.CREATING, Robustness.UNKNOWN, "", "", image, false, 0, 0, Upgrade.NONE, List.of());
    }

    /** Attached, or not, to the given node; empty for none. */
    public Status with(State next, String nodeID) {
      return new Status(
          next,
          robustness,
          nodeID,
          currentMigrationNodeID,
          currentImage,
          isFrontendDisabled,
          lastDegradedAtMillis,
          remountRequestedAtMillis,
          upgrade,
          conditions);
    }

    /** On one node, and migrating to another; empty for none. */
    public Status withNodes(String nodeID, String migrationNodeID) {
      return new Status(
          state,
          robustness,
          nodeID,
          migrationNodeID,
          currentImage,
          isFrontendDisabled,
          lastDegradedAtMillis,
          remountRequestedAtMillis,
          upgrade,
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
          isFrontendDisabled,
          isFresh ? nowMillis : lastDegradedAtMillis,
          remountRequestedAtMillis,
          upgrade,
          conditions);
    }

    /** What has it mounted has to mount it anew. */
    public Status withRemountRequested(long nowMillis) {
      return new Status(
          state,
          robustness,
          currentNodeID,
          currentMigrationNodeID,
          currentImage,
          isFrontendDisabled,
          lastDegradedAtMillis,
          nowMillis,
          upgrade,
          conditions);
    }

    /** Attached with a frontend, or without. */
    public Status withFrontendDisabled(boolean disabled) {
      return new Status(
          state,
          robustness,
          currentNodeID,
          currentMigrationNodeID,
          currentImage,
          disabled,
          lastDegradedAtMillis,
          remountRequestedAtMillis,
          upgrade,
          conditions);
    }

    /** Its engine runs from an image, and an upgrade goes so. */
    public Status with(String image, Upgrade next) {
      return new Status(
          state,
          robustness,
          currentNodeID,
          currentMigrationNodeID,
          image,
          isFrontendDisabled,
          lastDegradedAtMillis,
          remountRequestedAtMillis,
          next,
          conditions);
    }

    /** With what it waits for; a condition with the same reason as before keeps its time. */
    public Status with(List<Condition> now) {
      List<Condition> next = new ArrayList<>();
      for (Condition condition : now) {
        next.add(
            condition(condition.type())
                .filter(before -> before.isTrue() == condition.isTrue())
                .filter(before -> before.reason().equals(condition.reason()))
                .map(before -> condition.since(before.sinceMillis()))
                .orElse(condition));
      }
      return new Status(
          state,
          robustness,
          currentNodeID,
          currentMigrationNodeID,
          currentImage,
          isFrontendDisabled,
          lastDegradedAtMillis,
          remountRequestedAtMillis,
          upgrade,
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
              .number(6, lastDegradedAtMillis)
              .bool(8, isFrontendDisabled)
              .number(9, remountRequestedAtMillis)
              .nested(10, upgrade.write());
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
          in.bool(8),
          in.number(6),
          in.number(9, 0),
          in.has(10) ? Upgrade.read(in.nested(10)) : Upgrade.NONE,
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

  /** Whether it may be attached to two nodes, to move from one to the other. */
  public boolean isMigratable() {
    return spec.isMigratable && spec.accessMode == AccessMode.RWX;
  }

  /** Whether it moves from one node to another, or is to, or is not done with it. */
  public boolean isMigrating() {
    return !spec.migrationNodeID.isEmpty() || !status.currentMigrationNodeID.isEmpty();
  }

  /** Whether its engine is to run from another image than it does. */
  public boolean isUpgrading() {
    return !spec.image.equals(status.currentImage);
  }

  /** Whether nothing of it is attached, or wanted so. */
  public boolean isFullyDetached() {
    return spec.nodeID.isEmpty()
        && spec.migrationNodeID.isEmpty()
        && status.currentMigrationNodeID.isEmpty()
        && status.currentNodeID.isEmpty()
        && status.state == State.DETACHED;
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

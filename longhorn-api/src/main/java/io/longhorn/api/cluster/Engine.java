package io.longhorn.api.cluster;

import io.longhorn.api.EngineId;
import io.longhorn.api.ReplicaId;
import io.longhorn.api.ReplicaMode;
import io.longhorn.api.wire.FieldReader;
import io.longhorn.api.wire.FieldWriter;
import io.longhorn.api.wire.WireFormatException;
import java.util.Collections;
import java.util.List;
import java.util.Optional;
import java.util.SortedMap;
import java.util.SortedSet;
import java.util.TreeMap;
import java.util.TreeSet;

/** An engine of a volume. */
public record Engine(String name, Spec spec, Status status) implements ClusterObject {
  /**
   * What is wanted.
   *
   * @param volumeName what it serves
   * @param nodeID where it is to run, empty for nowhere
   * @param image what it runs from
   * @param nbd where it listens for clients; empty: a unix socket of its own
   * @param isWanted whether it is to run ({@code desireState})
   * @param isActive whether it is the volume's engine, not one that a migration prepares
   * @param replicas names of the replicas that it is to use
   * @param upgradedReplicas names of those that it is to use once it runs from {@code image}; empty
   *     unless a live upgrade goes on
   */
  public record Spec(
      String volumeName,
      String nodeID,
      String image,
      String nbd,
      boolean isWanted,
      boolean isActive,
      SortedSet<String> replicas,
      SortedSet<String> upgradedReplicas) {
    /** Copies the sets. */
    public Spec {
      replicas = Collections.unmodifiableSortedSet(new TreeSet<>(replicas));
      upgradedReplicas = Collections.unmodifiableSortedSet(new TreeSet<>(upgradedReplicas));
    }

    /** Of a volume, nowhere and not wanted, without replicas. */
    public static Spec stopped(String volume, String image, boolean isActive) {
      return new Spec(
          volume,
          "",
          image,
          "",
          false,
          isActive,
          Collections.emptySortedSet(),
          Collections.emptySortedSet());
    }

    /** Wanted on a node, listening there. */
    public Spec on(String node, String address) {
      return new Spec(volumeName, node, image, address, true, isActive, replicas, upgradedReplicas);
    }

    /** Wanted, or not; where it is looked for stays. */
    public Spec withWanted(boolean wanted) {
      return new Spec(volumeName, nodeID, image, nbd, wanted, isActive, replicas, upgradedReplicas);
    }

    /** Run from another image, with these replicas from then on. */
    public Spec withImage(String next, SortedSet<String> upgraded) {
      return new Spec(volumeName, nodeID, next, nbd, isWanted, isActive, replicas, upgraded);
    }

    /** The volume's engine, or one that is prepared. */
    public Spec withActive(boolean active) {
      return new Spec(volumeName, nodeID, image, nbd, isWanted, active, replicas, upgradedReplicas);
    }

    /** With these replicas. */
    public Spec withReplicas(SortedSet<String> next) {
      return new Spec(volumeName, nodeID, image, nbd, isWanted, isActive, next, upgradedReplicas);
    }
  }

  /**
   * What it is.
   *
   * @param instance its process
   * @param id of this start of it; empty before it has said so
   * @param isServing whether I/O goes on
   * @param generation of its session, 0 if it has none
   * @param state what membership is doing, in words
   * @param endpoints URIs for clients
   * @param replicas what it says of each replica
   * @param currentImage what its process runs from, empty if there is none
   */
  public record Status(
      InstanceView instance,
      Optional<EngineId> id,
      boolean isServing,
      long generation,
      String state,
      List<String> endpoints,
      SortedMap<ReplicaId, Member> replicas,
      String currentImage) {
    /** Nothing yet. */
    public static final Status NONE =
        new Status(
            InstanceView.NONE, Optional.empty(), false, 0, "", List.of(), new TreeMap<>(), "");

    /** Copies the collections. */
    public Status {
      endpoints = List.copyOf(endpoints);
      replicas = Collections.unmodifiableSortedMap(new TreeMap<>(replicas));
    }

    /** With another state of its process; what the process said is kept only while it runs. */
    public Status with(InstanceView next) {
      return next.mayRun()
          ? new Status(next, id, isServing, generation, state, endpoints, replicas, currentImage)
          : new Status(
              next, Optional.empty(), false, generation, "", List.of(), new TreeMap<>(), "");
    }

    /** Runs from another image than it did. */
    public Status withCurrentImage(String image) {
      return new Status(instance, id, isServing, generation, state, endpoints, replicas, image);
    }

    /** How many replicas it says are in sync. */
    public int inSync() {
      int count = 0;
      for (Member member : replicas.values()) {
        count += member.mode() == ReplicaMode.RW ? 1 : 0;
      }
      return count;
    }
  }

  /**
   * What an engine says of one replica.
   *
   * @param mode RW in sync, WO while it comes back, ERR otherwise
   * @param reason why it is not in sync, empty if it is
   * @param progressPermille of coming back
   * @param resyncBytes what its coming back has to compare
   */
  public record Member(ReplicaMode mode, String reason, int progressPermille, long resyncBytes) {}

  @Override
  public ObjectKind kind() {
    return ObjectKind.ENGINE;
  }

  /** Wanted otherwise. */
  public Engine with(Spec next) {
    return new Engine(name, next, status);
  }

  /** Seen otherwise. */
  public Engine with(Status next) {
    return new Engine(name, spec, next);
  }

  @Override
  public FieldWriter write() {
    FieldWriter out =
        new FieldWriter()
            .text(1, name)
            .text(2, spec.volumeName)
            .text(3, spec.nodeID)
            .text(4, spec.image)
            .text(5, spec.nbd)
            .bool(6, spec.isWanted)
            .bool(7, spec.isActive)
            .nested(8, status.instance.write())
            .bool(9, status.isServing)
            .number(10, status.generation)
            .text(11, status.state);
    status.endpoints.forEach(uri -> out.nested(12, new FieldWriter().text(1, uri)));
    status.replicas.forEach((id, member) -> out.nested(13, member(id, member)));
    out.texts(14, spec.replicas);
    out.texts(15, spec.upgradedReplicas);
    out.text(16, status.currentImage);
    status.id.ifPresent(id -> out.uuid(17, id.uuid()));
    return out;
  }

  private static FieldWriter member(ReplicaId id, Member member) {
    return new FieldWriter()
        .uuid(1, id.uuid())
        .number(2, code(member.mode))
        .text(3, member.reason)
        .number(4, member.progressPermille)
        .number(5, member.resyncBytes);
  }

  static Engine read(FieldReader in) {
    TreeMap<ReplicaId, Member> replicas = new TreeMap<>();
    for (FieldReader member : in.allNested(13)) {
      replicas.put(
          new ReplicaId(member.uuid(1)),
          new Member(
              mode(member.number(2)), member.text(3), member.intNumber(4), member.number(5)));
    }
    Spec spec =
        new Spec(
            in.text(2),
            in.text(3),
            in.text(4),
            in.text(5),
            in.bool(6),
            in.bool(7),
            in.allTexts(14),
            in.allTexts(15));
    Status status =
        new Status(
            InstanceView.read(in.nested(8)),
            in.has(17) ? Optional.of(new EngineId(in.uuid(17))) : Optional.empty(),
            in.bool(9),
            in.number(10),
            in.text(11),
            in.allNested(12).stream().map(uri -> uri.text(1)).toList(),
            replicas,
            in.optionalText(16).orElse(""));
    return new Engine(in.text(1), spec, status);
  }

  private static int code(ReplicaMode mode) {
    return switch (mode) {
      case RW -> 1;
      case WO -> 2;
      case ERR -> 3;
    };
  }

  private static ReplicaMode mode(long code) {
    for (ReplicaMode mode : ReplicaMode.values()) {
      if (code(mode) == code) {
        return mode;
      }
    }
    throw new WireFormatException("replica in unknown mode " + code);
  }
}

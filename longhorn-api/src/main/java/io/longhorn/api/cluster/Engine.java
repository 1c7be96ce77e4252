package io.longhorn.api.cluster;

import io.longhorn.api.ReplicaId;
import io.longhorn.api.ReplicaMode;
import io.longhorn.api.wire.FieldReader;
import io.longhorn.api.wire.FieldWriter;
import io.longhorn.api.wire.WireFormatException;
import java.util.Collections;
import java.util.List;
import java.util.SortedMap;
import java.util.TreeMap;

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
   */
  public record Spec(
      String volumeName,
      String nodeID,
      String image,
      String nbd,
      boolean isWanted,
      boolean isActive) {}

  /**
   * What it is.
   *
   * @param instance its process
   * @param isServing whether I/O goes on
   * @param generation of its session, 0 if it has none
   * @param state what membership is doing, in words
   * @param endpoints URIs for clients
   * @param replicas what it says of each replica
   */
  public record Status(
      InstanceView instance,
      boolean isServing,
      long generation,
      String state,
      List<String> endpoints,
      SortedMap<ReplicaId, Member> replicas) {
    /** Nothing yet. */
    public static final Status NONE =
        new Status(InstanceView.NONE, false, 0, "", List.of(), new TreeMap<>());

    /** Copies the collections. */
    public Status {
      endpoints = List.copyOf(endpoints);
      replicas = Collections.unmodifiableSortedMap(new TreeMap<>(replicas));
    }

    /** With another state of its process; what the process said is kept only while it runs. */
    public Status with(InstanceView next) {
      return next.mayRun()
          ? new Status(next, isServing, generation, state, endpoints, replicas)
          : new Status(next, false, generation, "", List.of(), new TreeMap<>());
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
    Spec spec = new Spec(in.text(2), in.text(3), in.text(4), in.text(5), in.bool(6), in.bool(7));
    Status status =
        new Status(
            InstanceView.read(in.nested(8)),
            in.bool(9),
            in.number(10),
            in.text(11),
            in.allNested(12).stream().map(uri -> uri.text(1)).toList(),
            replicas);
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

package io.longhorn.api.wire;

import io.longhorn.api.EngineId;
import io.longhorn.api.ReplicaId;
import io.longhorn.api.ReplicaMode;
import io.longhorn.api.VolumeName;
import io.longhorn.api.membership.MembershipRecord;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;

/**
 * An engine process at one moment, for whoever watches and commands it.
 *
 * @param revision another one for each status that differs from the one before; of this process
 *     only, beginning at 1
 * @param volume name of the volume
 * @param engine this instance
 * @param pid of the process, in its own namespace
 * @param generation of the session, 0 before the first
 * @param isServing whether I/O goes on
 * @param state what the engine is doing, in words
 * @param sizeBytes 0 until a replica has answered
 * @param unreconciledRegions regions that may differ between members since an unclean stop
 * @param uris where NBD clients connect; empty until the volume is served for the first time
 * @param heldReason why I/O is held; empty if it is not
 * @param replicas every replica of the volume
 */
public record EngineStatus(
    long revision,
    VolumeName volume,
    EngineId engine,
    long pid,
    long generation,
    boolean isServing,
    String state,
    long sizeBytes,
    int unreconciledRegions,
    List<String> uris,
    Optional<String> heldReason,
    List<Replica> replicas) {
  /** Most places where one engine listens for NBD clients that are told of. */
  public static final int MAX_URIS = 16;

  /** Longest wait of a {@link Query} in milliseconds. */
  public static final int MAX_WAIT_MILLIS = 10_000;

  /**
   * One replica: 1 id, 2 mode, 3 reason, 4 progress, 5 bytes.
   *
   * @param id of the copy
   * @param mode RW in sync, WO while it comes back, ERR otherwise
   * @param reason why it is not in sync; empty if it is
   * @param progressPermille of coming back
   * @param resyncBytes what its coming back has to compare, or had to
   */
  public record Replica(
      ReplicaId id, ReplicaMode mode, String reason, int progressPermille, long resyncBytes) {
    FieldWriter write() {
      return new FieldWriter()
          .uuid(1, id.uuid())
          .text(2, mode.name())
          .text(3, reason)
          .number(4, progressPermille)
          .number(5, resyncBytes);
    }

    static Replica read(FieldReader in) {
      return new Replica(
          new ReplicaId(in.uuid(1)),
          ReplicaMode.valueOf(in.text(2)),
          in.optionalText(3).orElse(""),
          in.has(4) ? in.intNumber(4) : 0,
          in.number(5, 0));
    }
  }

  /**
   * ENGINE_STATUS: 1 revision, 2 wait.
   *
   * @param seenRevision of the status that the asker has; 0 for none
   * @param waitMillis how long to wait for another one, 0 to {@link #MAX_WAIT_MILLIS}
   */
  public record Query(long seenRevision, int waitMillis) {
    /** Checks the wait. */
    public Query {
      if (waitMillis < 0 || waitMillis > MAX_WAIT_MILLIS) {
        throw new IllegalArgumentException(
            "wait of " + waitMillis + " ms: use 0 to " + MAX_WAIT_MILLIS);
      }
    }

    /** Encodes. */
    public FieldWriter write() {
      return new FieldWriter().number(1, seenRevision).number(2, waitMillis);
    }

    /** Decodes; throws {@link WireFormatException}. */
    public static Query read(FieldReader in) {
      try {
        return new Query(in.number(1, 0), in.has(2) ? in.intNumber(2) : 0);
      } catch (IllegalArgumentException e) {
        throw new WireFormatException("ENGINE_STATUS: " + e.getMessage(), e);
      }
    }
  }

  /**
   * What a comparison of the in-sync members found: 1 copies, 2 bytes, 3 blocks, 4 chunks.
   *
   * @param copies compared, in every part of the volume
   * @param comparedBytes of the volume
   * @param differingBlocks blocks of 4 KiB that are not the same on all copies
   * @param damagedChunks chunks in which a copy has a block whose checksum or medium failed
   */
  public record Check(int copies, long comparedBytes, long differingBlocks, long damagedChunks) {
    /** Encodes. */
    public FieldWriter write() {
      return new FieldWriter()
          .number(1, copies)
          .number(2, comparedBytes)
          .number(3, differingBlocks)
          .number(4, damagedChunks);
    }

    /** Decodes; throws {@link WireFormatException}. */
    public static Check read(FieldReader in) {
      return new Check(in.intNumber(1), in.number(2), in.number(3), in.number(4));
    }

    /** Whether several copies were compared and all are the same and sound. */
    public boolean isIdentical() {
      return copies > 1 && differingBlocks == 0 && damagedChunks == 0;
    }
  }

  /** Copies the lists; checks how many there are. */
  public EngineStatus {
    uris = List.copyOf(uris);
    replicas = List.copyOf(replicas);
    if (uris.size() > MAX_URIS || replicas.size() > MembershipRecord.MAX_REPLICAS) {
      throw new IllegalArgumentException(
          uris.size() + " URIs and " + replicas.size() + " replicas are too many");
    }
  }

  /** The same with another revision. */
  public EngineStatus withRevision(long next) {
    return new EngineStatus(
        next,
        volume,
        engine,
        pid,
        generation,
        isServing,
        state,
        sizeBytes,
        unreconciledRegions,
        uris,
        heldReason,
        replicas);
  }

  /** Encodes; each URI and the reason, if any, as text. */
  public FieldWriter write() {
    FieldWriter out =
        new FieldWriter()
            .number(1, revision)
            .text(2, volume.value())
            .uuid(3, engine.uuid())
            .number(4, pid)
            .number(5, generation)
            .bool(6, isServing)
            .text(7, state)
            .number(8, sizeBytes)
            .number(9, unreconciledRegions);
    for (String uri : uris) {
      out.nested(10, new FieldWriter().text(1, uri));
    }
    heldReason.ifPresent(reason -> out.text(11, reason));
    for (Replica replica : replicas) {
      out.nested(12, replica.write());
    }
    return out;
  }

  /** Decodes; throws {@link WireFormatException}. */
  public static EngineStatus read(FieldReader in) {
    if (in.count(10) > MAX_URIS || in.count(12) > MembershipRecord.MAX_REPLICAS) {
      throw new WireFormatException(
          "ENGINE_STATUS: " + in.count(10) + " URIs and " + in.count(12) + " replicas");
    }
    try {
      List<String> uris = new ArrayList<>();
      for (FieldReader uri : in.allNested(10)) {
        uris.add(uri.text(1));
      }
      List<Replica> replicas = new ArrayList<>();
      for (FieldReader replica : in.allNested(12)) {
        replicas.add(Replica.read(replica));
      }
      return new EngineStatus(
          in.number(1),
          new VolumeName(in.text(2)),
          new EngineId(in.uuid(3)),
          in.number(4),
          in.number(5),
          in.bool(6),
          in.text(7),
          in.number(8),
          in.intNumber(9),
          uris,
          in.optionalText(11),
          replicas);
    } catch (IllegalArgumentException e) {
      throw new WireFormatException("ENGINE_STATUS: " + e.getMessage(), e);
    }
  }
}

package io.longhorn.api.wire;

import io.longhorn.api.IoError;

/**
 * Counters and state of a replica for people, the answer to STATUS. As of the owner's last PING,
 * STATUS or change of state: an observer never makes the replica look.
 *
 * @param info what the replica says of itself otherwise
 * @param volumeName name of the volume when the replica was created
 * @param failure why the store has failed, {@code OK} while it works
 * @param isOwned whether an engine's session is open
 * @param reads READ frames served since the process started
 * @param readBytes bytes they returned
 * @param writes WRITE frames served
 * @param writtenBytes bytes they brought
 * @param flushes FLUSH frames served, and frames with FUA
 * @param syncs fdatasync and fsync calls
 * @param intentCommits writes of the write-intent bitmap
 * @param dirtyRegions regions whose bit is set
 */
public record ReplicaStatus(
    ReplicaInfo info,
    String volumeName,
    IoError failure,
    boolean isOwned,
    long reads,
    long readBytes,
    long writes,
    long writtenBytes,
    long flushes,
    long syncs,
    long intentCommits,
    long dirtyRegions) {

  /** Encodes. */
  public FieldWriter write() {
    return new FieldWriter()
        .nested(1, info.write())
        .text(2, volumeName)
        .number(3, failure.code())
        .bool(4, isOwned)
        .number(5, reads)
        .number(6, readBytes)
        .number(7, writes)
        .number(8, writtenBytes)
        .number(9, flushes)
        .number(10, syncs)
        .number(11, intentCommits)
        .number(12, dirtyRegions);
  }

  /** Decodes; throws {@link WireFormatException}. */
  public static ReplicaStatus read(FieldReader in) {
    return new ReplicaStatus(
        ReplicaInfo.read(in.nested(1)),
        in.text(2),
        IoError.ofCode((int) in.number(3)),
        in.bool(4),
        in.number(5, 0),
        in.number(6, 0),
        in.number(7, 0),
        in.number(8, 0),
        in.number(9, 0),
        in.number(10, 0),
        in.number(11, 0),
        in.number(12, 0));
  }
}

package io.longhorn.replica.format;

/**
 * One change of what the directory consists of. Layer ids are the engine's, above 0, equal on all
 * replicas and never reused.
 */
public sealed interface ManifestRecord {
  /**
   * First in every manifest.
   *
   * @param sizeBytes of the volume
   * @param head layer id of the first head
   */
  record Create(long sizeBytes, int head) implements ManifestRecord {}

  /**
   * The head became a snapshot and a new head began.
   *
   * @param layer that was sealed
   * @param newHead above it
   * @param snapshot its name
   * @param createdMillis when, since 1970
   * @param isUserCreated whether a user asked
   */
  record Seal(int layer, int newHead, String snapshot, long createdMillis, boolean isUserCreated)
      implements ManifestRecord {}

  /**
   * The layer goes: hidden blocks are punched, the rest is adopted; one with several children
   * stays, marked.
   *
   * @param layer that goes
   */
  record Delete(int layer) implements ManifestRecord {}

  /**
   * The files of a deleted layer are shown as part of its only child from now on.
   *
   * @param layer that was deleted
   * @param child that shows its blocks
   */
  record Adopt(int layer, int child) implements ManifestRecord {}

  /**
   * A new head on an older layer; the old head goes.
   *
   * @param layer the new head's parent
   * @param newHead its id
   */
  record Revert(int layer, int newHead) implements ManifestRecord {}

  /**
   * The volume grew.
   *
   * @param sizeBytes from now on
   * @param intentFile number of the file with the re-encoded bitmap
   */
  record Expand(long sizeBytes, int intentFile) implements ManifestRecord {}

  /**
   * A writable branch on a layer began, with its own head.
   *
   * @param layer the branch's parent
   * @param newHead the branch's head
   */
  record Branch(int layer, int newHead) implements ManifestRecord {}
}

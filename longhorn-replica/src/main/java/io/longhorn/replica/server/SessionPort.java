package io.longhorn.replica.server;

import io.longhorn.api.IoError;
import org.jspecify.annotations.Nullable;

/**
 * What a session needs of the link it serves: memory for answers, memory for frames that are
 * answered later, and a way for the answers. The session's thread.
 */
interface SessionPort {
  /**
   * Sets where the answer's CRCs and payload go: {@code replyHead} and {@code replyBody} of the
   * frame. May be called again for another size; nothing is reserved until it is answered.
   *
   * @param crcCount 0 to 32
   * @param payloadBytes 0 to 128 KiB
   */
  void place(Frame frame, int crcCount, int payloadBytes);

  /**
   * The frame in memory that stays its own until it is answered: itself if that is so, otherwise a
   * copy.
   *
   * @param replyBytes room for the answer's payload, in the place of the request's
   * @return null if the peer has more frames unanswered than its credits allow; there is memory
   *     otherwise, since a link serves no frame that it could not keep
   */
  @Nullable Frame keep(Frame frame, int replyBytes);

  /**
   * Answers with what is at the places that {@link #place} set; a kept frame is the link's again.
   *
   * @param generation tag of the answer
   */
  void answerData(Frame frame, long generation, int crcCount, int payloadBytes);

  /**
   * Answers with a status and a control payload, not copied; a kept frame is the link's again.
   *
   * @param payload empty for none
   */
  void answerControl(Frame frame, long generation, IoError status, byte[] payload);

  /** A kept frame that is never answered is the link's again. */
  void drop(Frame frame);

  /** The control payload of the request; a copy or the sender's own. */
  byte[] control(Frame frame);

  /** The session as the one that can own the store. */
  Ownership.Owner owner();

  /** This link's thread is the store's owner thread from now on. */
  DiskThreads.Waker waker();
}

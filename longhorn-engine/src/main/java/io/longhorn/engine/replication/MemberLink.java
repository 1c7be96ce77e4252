package io.longhorn.engine.replication;

/** How frames reach one member. The core's only effect on the data path. Loop thread only. */
public interface MemberLink {
  /**
   * Queues a frame; it leaves at the end of the turn. What cannot be sent any more is reported as a
   * lost link, later, not from here.
   */
  void send(FrameDraft frame);

  /** Whether the member is inside this JVM or on this host: preferred for reads. */
  boolean isLocal();
}

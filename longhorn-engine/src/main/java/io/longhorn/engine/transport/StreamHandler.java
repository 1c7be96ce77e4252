package io.longhorn.engine.transport;

/** What is done with the bytes of one stream. Called on the loop only. */
public interface StreamHandler {
  /** Address of native memory where the next bytes go; asked before each read. */
  long receiveAddress();

  /** How many bytes may go there; 0 stops reading until {@link Stream#resumeReading}. */
  int receiveCapacity();

  /** {@code count} bytes were put at the address asked for last. */
  void received(int count);

  /**
   * Queued bytes went out and the queue fell to a quarter of its limit or less, after it had been
   * above.
   */
  void writable();

  /**
   * The stream is over, by either side; nothing of it will be called again. Every token still
   * queued has been released before. Called once.
   */
  void closed(String reason);
}

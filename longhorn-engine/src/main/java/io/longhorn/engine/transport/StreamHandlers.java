package io.longhorn.engine.transport;

/** Makes the handler of a new stream; loop thread only. */
public interface StreamHandlers {
  /**
   * The handler of a stream that has just been connected or accepted; it may already append to it.
   */
  StreamHandler handlerOf(Stream stream);
}

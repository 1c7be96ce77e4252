package io.longhorn.replica.store;

/**
 * A piece of work that may wait for a device. Made by the store on the owner thread; touches only
 * what it captured there. Reused by the store after {@link #finish}.
 */
public interface DiskTask {
  /** Does the system calls. Any thread; one at a time; never throws for an operating error. */
  void perform();

  /** Applies what was done to the store's state. Owner thread, once after each {@link #perform}. */
  void finish();
}

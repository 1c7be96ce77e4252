package io.longhorn.orchestration;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.locks.LockSupport;
import java.util.function.BooleanSupplier;

/** Waits for a condition, long enough for a machine that has much else to do. */
public final class Await {
  /** Longest wait for anything. */
  public static final long SECONDS = 60;

  private static final long LOOK_AGAIN_NANOS = 5_000_000;

  private Await() {}

  /** Returns when it is so, or fails. */
  public static void until(String what, BooleanSupplier isSo) {
    long deadline = System.nanoTime() + TimeUnit.SECONDS.toNanos(SECONDS);
    while (!isSo.getAsBoolean()) {
      assertThat(System.nanoTime() - deadline).as("waited in vain until %s", what).isNegative();
      LockSupport.parkNanos(LOOK_AGAIN_NANOS);
    }
  }

  /** Returns when the process is gone; one that nobody has waited for yet is gone too. */
  public static void gone(long pid) {
    until("process " + pid + " is gone", () -> isGone(pid));
  }

  private static boolean isGone(long pid) {
    try {
      String stat = Files.readString(Path.of("/proc", Long.toString(pid), "stat"));
      return "ZX".indexOf(stat.charAt(stat.lastIndexOf(')') + 2)) >= 0;
    } catch (IOException _) {
      return true;
    }
  }
}

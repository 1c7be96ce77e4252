package io.longhorn.orchestration.main;

import io.longhorn.api.process.ParentWatch;
import java.util.Arrays;
import java.util.List;
import java.util.concurrent.CountDownLatch;

/** A process as the engine's and the replica's are: says that it serves, and watches its parent. */
public final class WatchedChild {
  private WatchedChild() {}

  /** Serves nothing until it is ended; says that it does when the kernel knows its wish. */
  public static void main(String[] words) throws InterruptedException {
    ParentWatch.begin(List.of(words));
    while (!isReading()) {
      Thread.onSpinWait();
    }
    System.out.println("listening here");
    new CountDownLatch(1).await();
  }

  private static boolean isReading() {
    return Thread.getAllStackTraces().values().stream()
        .flatMap(Arrays::stream)
        .anyMatch(frame -> frame.getMethodName().equals("awaitEnd"));
  }
}

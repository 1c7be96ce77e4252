package io.longhorn.orchestration.call;

import io.longhorn.api.IoError;
import io.longhorn.api.VolumeException;
import java.io.IOException;
import java.nio.channels.Channel;
import java.time.Duration;
import java.util.concurrent.ScheduledFuture;
import java.util.concurrent.ScheduledThreadPoolExecutor;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicBoolean;

/**
 * Ends what blocks on a channel by closing the channel: never by an interrupt, which the thread
 * might need for something else. One timer thread for all of the JVM.
 */
final class Deadline {
  private static final ScheduledThreadPoolExecutor TIMER = timer();

  private final AtomicBoolean isOver = new AtomicBoolean();
  private final ScheduledFuture<?> alarm;

  /** Closes the channel when the time is over, unless {@link #finish} comes first. */
  Deadline(Channel channel, Duration timeout) {
    alarm =
        TIMER.schedule(
            () -> {
              if (isOver.compareAndSet(false, true)) {
                close(channel);
              }
            },
            timeout.toNanos(),
            TimeUnit.NANOSECONDS);
  }

  /** Ends the wait; returns whether it ended in time. Once. */
  boolean finish() {
    alarm.cancel(false);
    return isOver.compareAndSet(false, true);
  }

  static VolumeException timeout(String what, Duration timeout) {
    return new VolumeException(
        IoError.TIMEOUT, what + ": no answer within " + timeout.toMillis() + " ms");
  }

  private static void close(Channel channel) {
    try {
      channel.close();
    } catch (IOException _) {
      // It is closed all the same.
    }
  }

  private static ScheduledThreadPoolExecutor timer() {
    ScheduledThreadPoolExecutor timer =
        new ScheduledThreadPoolExecutor(
            1, Thread.ofPlatform().daemon().name("call-deadlines").factory());
    timer.setRemoveOnCancelPolicy(true);
    return timer;
  }
}

package io.longhorn.engine.transport;

import io.longhorn.api.IoError;
import io.longhorn.api.VolumeException;
import io.netty.channel.IoHandle;
import io.netty.channel.IoHandler;
import io.netty.channel.IoHandlerContext;
import io.netty.channel.IoRegistration;
import io.netty.channel.SingleThreadIoEventLoop;
import io.netty.channel.epoll.Epoll;
import io.netty.channel.epoll.EpollIoHandler;
import io.netty.util.concurrent.DefaultThreadFactory;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.RejectedExecutionException;
import java.util.concurrent.TimeUnit;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * The one thread that owns a volume: its sockets, cores and timers. A turn is: wait, handle every
 * ready socket, run what was handed over, then tell each {@link TurnListener}, who sends what the
 * turn produced.
 */
public final class VolumeLoop implements AutoCloseable {
  private static final Logger LOG = LoggerFactory.getLogger(VolumeLoop.class);
  private static final long SHUTDOWN_MILLIS = 2_000;

  /** Told at the end of each turn. */
  public interface TurnListener {
    /** Everything ready has been handled; send. */
    void turnEnded();
  }

  private final SingleThreadIoEventLoop loop;
  private final List<TurnListener> listeners = new ArrayList<>();
  private TurnListener[] atTurnEnd = {};
  private final List<Runnable> atEnd = new ArrayList<>();
  private boolean isNowKnown;
  private long nowNanos;

  /**
   * Starts the loop.
   *
   * @throws VolumeException UNSUPPORTED where there is no epoll
   */
  public VolumeLoop(String name) {
    if (!Epoll.isAvailable()) {
      throw new VolumeException(
          IoError.UNSUPPORTED,
          "this platform has no epoll: an engine runs on Linux (x86_64 or aarch64)",
          Epoll.unavailabilityCause());
    }
    loop =
        new SingleThreadIoEventLoop(
            null,
            new DefaultThreadFactory(name, true),
            executor -> new Turns(EpollIoHandler.newFactory().newHandler(executor)));
  }

  /**
   * Runs {@code task} on the loop, in order of calls from one thread; does nothing once the loop
   * has ended: nobody is left to be told.
   */
  public void execute(Runnable task) {
    try {
      loop.execute(task);
    } catch (RejectedExecutionException e) {
      LOG.debug("the loop has ended", e);
    }
  }

  /** Runs {@code task} on the loop every {@code periodMillis}, for the life of the loop. */
  public void every(long periodMillis, Runnable task) {
    var _ = loop.scheduleWithFixedDelay(task, periodMillis, periodMillis, TimeUnit.MILLISECONDS);
  }

  /** Runs {@code task} on the loop once, after {@code delayMillis}. */
  public void after(long delayMillis, Runnable task) {
    var _ = loop.schedule(task, delayMillis, TimeUnit.MILLISECONDS);
  }

  /** Whether the caller is on the loop. */
  public boolean isInLoop() {
    return loop.inEventLoop();
  }

  /** Adds a listener; loop only. */
  public void onTurnEnd(TurnListener listener) {
    listeners.add(listener);
    atTurnEnd = listeners.toArray(TurnListener[]::new);
  }

  /** Removes a listener; loop only. */
  public void removeOnTurnEnd(TurnListener listener) {
    listeners.remove(listener);
    atTurnEnd = listeners.toArray(TurnListener[]::new);
  }

  /**
   * Runs {@code last} on the loop's thread when the loop has ended, after every task and with every
   * socket closed: for what those may need to the last. Loop only.
   */
  public void onEnd(Runnable last) {
    atEnd.add(last);
  }

  /**
   * The monotonic clock, read once a turn; loop only. A decision that must not trust an old reading
   * takes {@link System#nanoTime}.
   */
  public long nowNanos() {
    if (!isNowKnown) {
      nowNanos = System.nanoTime();
      isNowKnown = true;
    }
    return nowNanos;
  }

  SingleThreadIoEventLoop netty() {
    return loop;
  }

  private void turnEnded() {
    for (TurnListener listener : atTurnEnd) {
      listener.turnEnded();
    }
  }

  /**
   * Ends the loop; what is still registered is closed by it. Waits a bounded time; not from the
   * loop itself.
   */
  @Override
  public void close() {
    loop.shutdownGracefully(0, SHUTDOWN_MILLIS, TimeUnit.MILLISECONDS)
        .awaitUninterruptibly(2 * SHUTDOWN_MILLIS);
  }

  /** Netty's epoll handler with an end to each turn. */
  private final class Turns implements IoHandler {
    private final IoHandler epoll;

    Turns(IoHandler epoll) {
      this.epoll = epoll;
    }

    @Override
    public int run(IoHandlerContext context) {
      // Tasks of the last turn may have produced output: it leaves before the loop waits.
      turnEnded();
      isNowKnown = false;
      int handled = epoll.run(context);
      turnEnded();
      return handled;
    }

    @Override
    public void initialize() {
      epoll.initialize();
    }

    @Override
    public void prepareToDestroy() {
      epoll.prepareToDestroy();
    }

    @Override
    public void destroy() {
      epoll.destroy();
      atEnd.forEach(Runnable::run);
    }

    @Override
    public IoRegistration register(IoHandle handle) throws Exception {
      return epoll.register(handle);
    }

    @Override
    public void wakeup() {
      epoll.wakeup();
    }

    @Override
    public boolean isCompatible(Class<? extends IoHandle> handleType) {
      return epoll.isCompatible(handleType);
    }
  }
}

package io.longhorn.orchestration.supervisor;

import io.longhorn.orchestration.instance.InstanceEvent;
import io.longhorn.orchestration.instance.InstanceSpec;
import java.io.IOException;
import java.io.InputStream;
import java.time.Instant;
import java.util.Optional;
import java.util.UUID;
import java.util.function.Consumer;

/**
 * One process that was started, and the two threads that listen to it: one reads what it prints
 * into its log, one waits for its end. Its standard input is a pipe that is held, and never written
 * to, until it has ended: end-of-file there means that the instance manager is gone.
 */
final class ChildProcess {
  /** Enough for what these threads do. */
  private static final long STACK_BYTES = 256 << 10;

  private static final int READ_BYTES = 8 << 10;

  private final InstanceSpec spec;
  private final UUID uuid;
  private final LogFile log;
  private final Consumer<InstanceEvent> events;
  private final Process process;
  private volatile String lastLine = "";

  private ChildProcess(
      InstanceSpec spec, UUID uuid, LogFile log, Consumer<InstanceEvent> events, Process process) {
    this.spec = spec;
    this.uuid = uuid;
    this.log = log;
    this.events = events;
    this.process = process;
  }

  /**
   * Starts it. The kernel ties it to the calling thread: it is killed when that one ends, if it
   * asked for that.
   *
   * @param lastLinesMillis how long the end of the process waits for the end of its output
   * @param events gets {@code Ready} and, last, {@code Exited}, from threads of its own
   * @throws IOException there is no such executable, or the system has no room
   */
  static ChildProcess start(
      InstanceSpec spec,
      UUID uuid,
      LogFile log,
      long lastLinesMillis,
      Consumer<InstanceEvent> events)
      throws IOException {
    log.line(say("starting " + String.join(" ", spec.command())));
    Process process;
    try {
      process = new ProcessBuilder(spec.command()).redirectErrorStream(true).start();
    } catch (IOException e) {
      log.line(say("could not be started: " + e.getMessage()));
      throw e;
    }
    ChildProcess child = new ChildProcess(spec, uuid, log, events, process);
    Thread pump = thread("output-", spec, child::pump);
    pump.start();
    thread("exit-", spec, () -> child.awaitExit(pump, lastLinesMillis)).start();
    return child;
  }

  private static Thread thread(String prefix, InstanceSpec spec, Runnable work) {
    return Thread.ofPlatform()
        .daemon()
        .stackSize(STACK_BYTES)
        .name(prefix + spec.name())
        .unstarted(work);
  }

  UUID uuid() {
    return uuid;
  }

  long pid() {
    return process.pid();
  }

  /** SIGTERM. By its handle: {@link Process#destroy} would close the pipes as well. */
  void terminate() {
    process.toHandle().destroy();
  }

  /** SIGKILL. */
  void kill() {
    process.toHandle().destroyForcibly();
  }

  private void pump() {
    OutputLines lines = new OutputLines(this::line);
    byte[] bytes = new byte[READ_BYTES];
    try (InputStream output = process.getInputStream()) {
      for (int count = output.read(bytes); count >= 0; count = output.read(bytes)) {
        log.append(bytes, count);
        lines.accept(bytes, count);
      }
    } catch (IOException _) {
      // The pipe is closed when the process has ended.
    }
    lines.end();
  }

  private void line(String line) {
    Optional<String> address = spec.type().addressIn(line);
    if (address.isPresent()) {
      events.accept(new InstanceEvent.Ready(spec.name(), uuid, address.get()));
    } else {
      lastLine = line;
    }
  }

  private void awaitExit(Thread pump, long lastLinesMillis) {
    int code = exitCode();
    try {
      pump.join(lastLinesMillis);
    } catch (InterruptedException _) {
      // Nobody interrupts this thread; its last lines would be missing in the message.
    }
    log.line(say("pid " + pid() + " ended with exit code " + code));
    events.accept(new InstanceEvent.Exited(spec.name(), uuid, code, lastLine));
  }

  private int exitCode() {
    while (true) {
      try {
        return process.waitFor();
      } catch (InterruptedException _) {
        // Nobody interrupts this thread; the process has not ended.
      }
    }
  }

  private static String say(String what) {
    return "longhorn instance-manager: " + Instant.now() + " " + what;
  }
}

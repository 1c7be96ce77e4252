package io.longhorn.standalone.process;

import static org.assertj.core.api.Assertions.assertThat;

import io.longhorn.standalone.Workbench;
import java.io.BufferedReader;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.locks.Condition;
import java.util.concurrent.locks.ReentrantLock;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/**
 * {@code longhorn replica} or {@code longhorn engine} as the launcher starts it, from the runtime
 * directory of this build. Keeps every line it prints.
 */
final class LonghornProcess implements AutoCloseable {
  private static final Path RUNTIME = Path.of("target", "longhorn");
  private static final long DEADLINE_SECONDS = 40;

  private final String name;
  private final Process process;
  private final ReentrantLock lock = new ReentrantLock();
  private final Condition changed = lock.newCondition();
  private final List<String> lines = new ArrayList<>();
  private int openStreams = 2;

  private LonghornProcess(String name, Process process) {
    this.name = name;
    this.process = process;
    Thread.ofPlatform().daemon().start(() -> keep(process.inputReader()));
    Thread.ofPlatform().daemon().start(() -> keep(process.errorReader()));
  }

  static LonghornProcess replica(String... words) {
    return start("replica", words);
  }

  static LonghornProcess engine(String... words) {
    return start("engine", words);
  }

  private static LonghornProcess start(String name, String... words) {
    assertThat(RUNTIME).as("the runtime directory, made by the package phase").isDirectory();
    List<String> command = new ArrayList<>();
    command.add(RUNTIME.resolve("bin").resolve("longhorn").toString());
    command.add(name);
    command.addAll(Arrays.asList(words));
    ProcessBuilder builder = new ProcessBuilder(command);
    builder.environment().put("JAVA_HOME", System.getProperty("java.home"));
    try {
      return new LonghornProcess(name, builder.start());
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }

  private void keep(BufferedReader from) {
    try {
      for (String line = from.readLine(); line != null; line = from.readLine()) {
        add(line);
      }
    } catch (IOException _) {
      // The process was killed.
    }
    lock.lock();
    try {
      openStreams--;
      changed.signalAll();
    } finally {
      lock.unlock();
    }
  }

  private void add(String line) {
    lock.lock();
    try {
      lines.add(line);
      changed.signalAll();
    } finally {
      lock.unlock();
    }
  }

  /** How many lines it has printed: a place to wait from. */
  int printed() {
    lock.lock();
    try {
      return lines.size();
    } finally {
      lock.unlock();
    }
  }

  /** Everything it has printed. */
  String output() {
    lock.lock();
    try {
      return String.join("\n", lines);
    } finally {
      lock.unlock();
    }
  }

  /** Waits for a line in which the pattern is found, and returns its first group, if it has one. */
  String awaitLine(String pattern) {
    return awaitLine(0, pattern);
  }

  /** {@link #awaitLine(String)} among the lines from {@code from} on. */
  String awaitLine(int from, String pattern) {
    Pattern compiled = Pattern.compile(pattern);
    long nanos = TimeUnit.SECONDS.toNanos(DEADLINE_SECONDS);
    lock.lock();
    try {
      for (int next = from; ; next++) {
        while (next >= lines.size() && openStreams > 0 && nanos > 0) {
          nanos = changed.awaitNanos(nanos);
        }
        assertThat(next)
            .as("%s did not print '%s' but:%n%s", name, pattern, String.join("\n", lines))
            .isLessThan(lines.size());
        Matcher matcher = compiled.matcher(lines.get(next));
        if (matcher.find()) {
          return matcher.groupCount() > 0 ? matcher.group(1) : matcher.group();
        }
      }
    } catch (InterruptedException e) {
      throw new AssertionError(e);
    } finally {
      lock.unlock();
    }
  }

  /** Waits for its end. */
  int awaitExit() {
    try {
      assertThat(process.waitFor(DEADLINE_SECONDS, TimeUnit.SECONDS))
          .as("%s has not ended:%n%s", name, output())
          .isTrue();
      lock.lock();
      try {
        long nanos = TimeUnit.SECONDS.toNanos(DEADLINE_SECONDS);
        while (openStreams > 0 && nanos > 0) {
          nanos = changed.awaitNanos(nanos);
        }
      } finally {
        lock.unlock();
      }
      return process.exitValue();
    } catch (InterruptedException e) {
      throw new AssertionError(e);
    }
  }

  /** SIGTERM; returns the exit code. */
  int terminate() {
    process.toHandle().destroy();
    return awaitExit();
  }

  /** SIGKILL, also of a stopped process; returns when it is gone. */
  void kill() {
    process.toHandle().destroyForcibly();
    awaitExit();
  }

  /** SIGSTOP: returns when the kernel says that it is stopped. */
  void freeze() {
    signal("STOP");
    Workbench.await(name + " is stopped", this::isFrozen);
  }

  private boolean isFrozen() {
    try {
      String stat = Files.readString(Path.of("/proc", Long.toString(process.pid()), "stat"));
      return stat.charAt(stat.lastIndexOf(')') + 2) == 'T';
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }

  /** SIGCONT. */
  void thaw() {
    signal("CONT");
  }

  private void signal(String signal) {
    try {
      Process kill = new ProcessBuilder("kill", "-" + signal, Long.toString(process.pid())).start();
      assertThat(kill.waitFor()).isZero();
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    } catch (InterruptedException e) {
      throw new AssertionError(e);
    }
  }

  @Override
  public void close() {
    process.toHandle().destroyForcibly();
  }
}

package io.longhorn.standalone;

import java.io.BufferedReader;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.TimeUnit;

/** A process of a test, and the lines it has printed so far. Any thread. */
final class Running {
  private static final long PATIENCE_NANOS = TimeUnit.SECONDS.toNanos(120);

  private final String name;
  private final Process process;
  private final List<String> lines = new ArrayList<>();
  private boolean isSilent;

  private Running(String name, Process process) {
    this.name = name;
    this.process = process;
  }

  /** Starts it; standard error goes where standard output goes. */
  static Running start(String name, List<String> command) {
    try {
      Process process = new ProcessBuilder(command).redirectErrorStream(true).start();
      process.getOutputStream().close();
      Running running = new Running(name, process);
      Thread.ofPlatform().daemon().name("lines of " + name).start(running::read);
      return running;
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }

  private void read() {
    try (BufferedReader reader = process.inputReader(StandardCharsets.UTF_8)) {
      for (String line = reader.readLine(); line != null; line = reader.readLine()) {
        add(line);
      }
    } catch (IOException e) {
      add("(reading ended: " + e.getMessage() + ")");
    }
    synchronized (lines) {
      isSilent = true;
      lines.notifyAll();
    }
  }

  private void add(String line) {
    synchronized (lines) {
      lines.add(line);
      lines.notifyAll();
    }
  }

  /** What it has printed. */
  List<String> lines() {
    synchronized (lines) {
      return List.copyOf(lines);
    }
  }

  /** How many lines it has printed: what comes after is news. */
  int mark() {
    synchronized (lines) {
      return lines.size();
    }
  }

  /** The first line that contains the text; waits for it. */
  String await(String text) {
    return await(text, 0);
  }

  /** The first line after a {@link #mark} that contains the text; waits for it. */
  String await(String text, int mark) {
    long deadline = System.nanoTime() + PATIENCE_NANOS;
    synchronized (lines) {
      for (int at = mark; ; at++) {
        while (at >= lines.size()) {
          long left = TimeUnit.NANOSECONDS.toMillis(deadline - System.nanoTime());
          if (isSilent || left <= 0) {
            throw new AssertionError(
                name
                    + (isSilent ? " ended" : " went on")
                    + " without '"
                    + text
                    + "':\n"
                    + String.join("\n", lines));
          }
          try {
            lines.wait(left);
          } catch (InterruptedException e) {
            throw new IllegalStateException(e);
          }
        }
        if (lines.get(at).contains(text)) {
          return lines.get(at);
        }
      }
    }
  }

  boolean isAlive() {
    return process.isAlive();
  }

  /** Sends SIGKILL; does not wait. */
  void shoot() {
    process.destroyForcibly();
  }

  /** SIGKILL, and waits until it is gone. */
  void kill() {
    shoot();
    exitCode();
  }

  /** SIGTERM, and waits; its exit code. */
  int terminate() {
    process.destroy();
    return exitCode();
  }

  /** Waits for it to end; its exit code. */
  int exitCode() {
    try {
      if (!process.waitFor(PATIENCE_NANOS, TimeUnit.NANOSECONDS)) {
        throw new AssertionError(name + " does not end:\n" + String.join("\n", lines()));
      }
      return process.exitValue();
    } catch (InterruptedException e) {
      throw new IllegalStateException(e);
    }
  }
}

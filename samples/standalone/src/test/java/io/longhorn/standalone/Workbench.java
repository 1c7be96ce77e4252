package io.longhorn.standalone;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.concurrent.locks.LockSupport;
import java.util.function.BooleanSupplier;

/**
 * Where a test starts processes and makes disks. Everything is undone in reverse order by {@link
 * #close}, also when the test's JVM is told to end. Tools that are missing fail the test.
 */
public final class Workbench implements AutoCloseable {
  /** Debian's, which has libnbd's module; another Python on PATH may not. */
  static final String PYTHON = "/usr/bin/python3";

  private static final long TOOL_SECONDS = 120;
  private static final long LOOK_AGAIN_NANOS = 20_000_000;

  private final Path home;
  private final Thread hook = new Thread(this::undo, "undo");
  private final ArrayDeque<Deed> undo = new ArrayDeque<>();
  private final AtomicInteger outputs = new AtomicInteger();

  /** Something to do that may fail. */
  interface Deed {
    void run() throws IOException, InterruptedException;
  }

  /**
   * How a tool ended.
   *
   * @param text both of its outputs
   */
  public record Outcome(int exitCode, String text) {}

  /** A workbench whose files are in {@code home}. */
  public Workbench(Path home) {
    this.home = home;
    Runtime.getRuntime().addShutdownHook(hook);
  }

  public Path home() {
    return home;
  }

  /** What to do in the end, before everything that was named earlier. */
  void later(Deed deed) {
    synchronized (undo) {
      undo.push(deed);
    }
  }

  /** Starts a process that ends with the test at the latest. */
  Running start(String name, List<String> command) {
    Running running = Running.start(name, command);
    later(running::kill);
    return running;
  }

  /** Runs a tool to its good end; its output. */
  String run(String... command) {
    Outcome outcome = tryRun(command);
    assertThat(outcome.exitCode()).as("%s: %s", String.join(" ", command), outcome.text()).isZero();
    return outcome.text();
  }

  /** Runs a tool to its end, which has to come in time. */
  public Outcome tryRun(String... command) {
    try {
      Path output = home.resolve("output-" + outputs.incrementAndGet());
      Process process =
          new ProcessBuilder(withSystemTools(command))
              .redirectErrorStream(true)
              .redirectInput(Path.of("/dev/null").toFile())
              .redirectOutput(output.toFile())
              .directory(home.toFile())
              .start();
      Deed kill = () -> process.destroyForcibly().waitFor();
      later(kill);
      boolean isDone = process.waitFor(TOOL_SECONDS, TimeUnit.SECONDS);
      kill.run();
      synchronized (undo) {
        undo.remove(kill);
      }
      String text = Files.readString(output, StandardCharsets.ISO_8859_1);
      Files.delete(output);
      assertThat(isDone).as("%s in time: %s", Arrays.toString(command), text).isTrue();
      return new Outcome(process.exitValue(), text);
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    } catch (InterruptedException e) {
      throw new IllegalStateException(e);
    }
  }

  /** Tools of the system administrator are not on everybody's PATH. */
  private static List<String> withSystemTools(String... command) {
    List<String> words = new ArrayList<>(List.of(command));
    for (String directory : List.of("/usr/sbin", "/sbin")) {
      Path tool = Path.of(directory, command[0]);
      if (!command[0].contains("/") && Files.isExecutable(tool)) {
        words.set(0, tool.toString());
        return words;
      }
    }
    return words;
  }

  /** Waits until the condition holds; there is a bound. */
  public static void await(String what, BooleanSupplier condition) {
    long deadline = System.nanoTime() + TimeUnit.SECONDS.toNanos(TOOL_SECONDS);
    while (!condition.getAsBoolean()) {
      assertThat(System.nanoTime() - deadline).as("%s in time", what).isNegative();
      LockSupport.parkNanos(LOOK_AGAIN_NANOS);
    }
  }

  /** A directory on an ext4 of its own of that size. Needs root. */
  Path disk(String name, int mebibytes) {
    Path image = home.resolve(name + ".img");
    run("truncate", "-s", mebibytes + "M", image.toString());
    return mounted(name, image);
  }

  /**
   * A directory on an ext4 of its own, on a disk that fails reads while a file {@code NAME.read} is
   * in the workbench's directory, and writes while {@code NAME.write} is. Needs root.
   */
  Path failingDisk(String name, int mebibytes) {
    Path point = home.resolve(name + ".fuse");
    Path pid = home.resolve(name + ".pid");
    try {
      Files.createDirectory(point);
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
    Running nbdfuse =
        start(
            "nbdfuse",
            List.of(
                "nbdfuse",
                "-P",
                pid.toString(),
                point.resolve("nbd").toString(),
                "[",
                "nbdkit",
                "--exit-with-parent",
                "--filter=error",
                "memory",
                mebibytes + "M",
                "error=EIO",
                "error-pread-rate=100%",
                "error-pread-file=" + home.resolve(name + ".read"),
                "error-pwrite-rate=100%",
                "error-pwrite-file=" + home.resolve(name + ".write"),
                "]"));
    later(() -> tryRun("umount", "-l", point.toString()));
    await(
        "nbdfuse",
        () -> {
          assertThat(nbdfuse.isAlive()).as(() -> String.join("\n", nbdfuse.lines())).isTrue();
          return pid.toFile().length() > 0;
        });
    return mounted(name, point.resolve("nbd"));
  }

  /** Makes an ext4 in a file and mounts it. */
  private Path mounted(String name, Path device) {
    Path point = home.resolve(name);
    try {
      Files.createDirectory(point);
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
    run("mkfs.ext4", "-q", "-F", "-m", "0", device.toString());
    run("mount", "-o", "loop", device.toString(), point.toString());
    later(() -> tryRun("umount", point.toString()));
    return point;
  }

  /** Undoes everything. A failure of that is a failure of the test. */
  @Override
  public void close() {
    undo();
    Runtime.getRuntime().removeShutdownHook(hook);
  }

  private void undo() {
    List<Throwable> failures = new ArrayList<>();
    for (Deed next = next(); next != null; next = next()) {
      try {
        next.run();
      } catch (IOException | InterruptedException | RuntimeException | AssertionError e) {
        // The rest is undone all the same.
        failures.add(e);
      }
    }
    assertThat(failures).as("undoing").isEmpty();
  }

  private Deed next() {
    synchronized (undo) {
      return undo.poll();
    }
  }
}

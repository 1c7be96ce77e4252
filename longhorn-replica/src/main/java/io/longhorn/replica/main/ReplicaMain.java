package io.longhorn.replica.main;

import io.longhorn.api.VolumeException;
import io.longhorn.api.process.ParentWatch;
import io.longhorn.replica.file.PosixFiles;
import io.longhorn.replica.main.CommandLine.UsageException;
import io.longhorn.replica.server.ReplicaServer;
import io.longhorn.replica.store.ReplicaDirectory;
import java.io.PrintStream;
import java.util.List;
import java.util.concurrent.CountDownLatch;
import java.util.logging.Level;
import java.util.logging.Logger;

/**
 * The replica process. Exit codes: 0 ended as asked, 1 failed, 2 wrong usage; each failure is one
 * line on standard error.
 */
public final class ReplicaMain {
  private static final int OK = 0;
  private static final int FAILED = 1;
  private static final int USAGE = 2;

  // Kept, since loggers are held weakly. Chronicle announces itself at SEVERE; none of it is news.
  private static final Logger CHRONICLE = Logger.getLogger("net.openhft");

  private ReplicaMain() {}

  /** Runs one command and exits. */
  public static void main(String[] words) {
    // A defect in a thread that owns data must not go on as if nothing had been.
    Thread.setDefaultUncaughtExceptionHandler((thread, thrown) -> {
      System.err.println("longhorn replica: defect in thread " + thread.getName() + ", stopping");
      thrown.printStackTrace();
      Runtime.getRuntime().halt(FAILED);
    });
    int code =
        run(ParentWatch.begin(List.of(words)).toArray(String[]::new), System.out, System.err);
    if (code != OK) {
      System.exit(code);
    }
  }

  /** Runs one command; {@code serve} ends only with the process. */
  static int run(String[] words, PrintStream out, PrintStream err) {
    CHRONICLE.setLevel(Level.OFF);
    try {
      switch (CommandLine.parse(words)) {
        case CommandLine.Help() -> out.println(CommandLine.USAGE);
        case CommandLine.Create create ->
            ReplicaDirectory.create(new PosixFiles(), create.directory(), create.spec());
        case CommandLine.Serve serve -> serve(serve, out, err);
      }
      return OK;
    } catch (UsageException e) {
      err.println("longhorn replica: " + e.getMessage());
      return USAGE;
    } catch (VolumeException e) {
      err.println("longhorn replica: " + e.getMessage());
      return FAILED;
    }
  }

  private static void serve(CommandLine.Serve command, PrintStream out, PrintStream err) {
    ReplicaServer server =
        ReplicaServer.open(
            new PosixFiles(), command.directory(), command.mode(), command.address());
    Runtime.getRuntime()
        .addShutdownHook(
            Thread.ofPlatform().name("replica-stop").unstarted(() -> stop(server, err)));
    out.println("listening " + server.address());
    out.flush();
    awaitForEver();
  }

  /** On SIGTERM: closes cleanly, and says so with the exit code. */
  private static void stop(ReplicaServer server, PrintStream err) {
    int code = OK;
    try {
      server.close();
    } catch (VolumeException e) {
      err.println("longhorn replica: " + e.getMessage());
      code = FAILED;
    }
    // The runtime would exit with 143 here, as if nothing had been done about the signal.
    Runtime.getRuntime().halt(code);
  }

  private static void awaitForEver() {
    CountDownLatch never = new CountDownLatch(1);
    while (true) {
      try {
        never.await();
      } catch (InterruptedException _) {
        // Nobody interrupts this thread; SIGTERM ends the process from its own.
      }
    }
  }
}

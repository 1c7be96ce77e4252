package io.longhorn.orchestration.main;

import io.longhorn.api.VolumeException;
import io.longhorn.api.process.OwnSession;
import io.longhorn.orchestration.supervisor.InstanceManagerConfig;
import io.longhorn.orchestration.supervisor.InstanceManagerServer;
import java.io.PrintStream;
import java.util.List;
import java.util.concurrent.CountDownLatch;

/**
 * One instance manager process: prints {@code serving ADDRESS}, serves until SIGTERM, then ends
 * engines, then replicas, then itself. Its children die with it, however it ends. Exit codes: 0
 * ended as asked, 1 failed, 2 wrong usage; each failure is one line on standard error.
 */
public final class InstanceManagerMain {
  private static final int OK = 0;
  private static final int FAILED = 1;
  private static final int USAGE = 2;

  private InstanceManagerMain() {}

  /** Runs until told to stop. */
  public static void main(String[] words) {
    System.exit(run(List.of(words), System.out, System.err));
  }

  static int run(List<String> words, PrintStream out, PrintStream err) {
    if (words.contains("--help") || words.contains("-h")) {
      out.print(InstanceManagerArguments.USAGE);
      return OK;
    }
    InstanceManagerArguments arguments;
    try {
      arguments = InstanceManagerArguments.parse(words);
    } catch (IllegalArgumentException | VolumeException e) {
      err.println("longhorn instance-manager: " + e.getMessage());
      err.print(InstanceManagerArguments.USAGE);
      return USAGE;
    }
    try {
      serve(arguments, out);
      return OK;
    } catch (VolumeException e) {
      err.println("longhorn instance-manager: " + e.getMessage());
      return FAILED;
    }
  }

  private static void serve(InstanceManagerArguments arguments, PrintStream out) {
    Thread.setDefaultUncaughtExceptionHandler(InstanceManagerMain::defect);
    // A Ctrl-C at the terminal of whoever started this one is not for this one.
    OwnSession.begin();
    InstanceManagerServer server =
        InstanceManagerServer.open(
            new InstanceManagerConfig(
                arguments.node(), arguments.listen(), arguments.logs(), version()));
    Runtime.getRuntime()
        .addShutdownHook(
            Thread.ofPlatform()
                .name("stop")
                .unstarted(() -> {
                  server.close();
                  // The runtime would exit with 143 here, as if nothing had been done about it.
                  Runtime.getRuntime().halt(OK);
                }));
    out.println("serving " + server.address());
    out.flush();
    awaitForEver();
  }

  /**
   * What supervises must not go on half: then it ends, its children with it, and who started it
   * sees that. A thread that only answered a call (they are virtual) takes nothing with it.
   */
  private static void defect(Thread thread, Throwable thrown) {
    System.err.println("longhorn instance-manager: defect in thread " + thread.getName());
    thrown.printStackTrace();
    if (!thread.isVirtual()) {
      Runtime.getRuntime().halt(FAILED);
    }
  }

  private static String version() {
    var module = InstanceManagerMain.class.getModule().getDescriptor();
    return module == null ? "" : module.rawVersion().orElse("");
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

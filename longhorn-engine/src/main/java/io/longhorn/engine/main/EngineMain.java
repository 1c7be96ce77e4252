package io.longhorn.engine.main;

import io.longhorn.api.VolumeException;
import io.longhorn.api.process.ParentWatch;
import io.longhorn.engine.VolumeStatus;
import io.longhorn.engine.control.ControlServer;
import io.longhorn.engine.frontend.nbd.NbdServer;
import io.longhorn.engine.frontend.nbd.protocol.NbdExport;
import io.longhorn.engine.transport.Endpoint;
import io.longhorn.engine.transport.VolumeLoop;
import io.longhorn.engine.volume.VolumeEngine;
import java.io.PrintStream;
import java.util.List;
import java.util.concurrent.CompletionException;
import java.util.concurrent.CopyOnWriteArrayList;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;
import java.util.concurrent.atomic.AtomicBoolean;

/**
 * One engine process: opens the volume, prints {@code serving URI} for each place it listens,
 * serves until SIGTERM, then releases the volume. It waits for its replicas as long as it takes.
 * Exit codes: 0 released, 1 failed or deposed, 2 usage.
 */
public final class EngineMain {
  private static final int FAILED = 1;
  private static final int USAGE = 2;

  /** Longer than a clean close may take; after that the process ends as it is. */
  private static final long CLOSE_SECONDS = 30;

  /** How long it waits without a word for its replicas. */
  private static final long SAY_WHY_SECONDS = 1;

  private EngineMain() {}

  /** Runs until told to stop. */
  public static void main(String[] words) {
    System.exit(run(ParentWatch.begin(List.of(words)), System.out, System.err));
  }

  static int run(List<String> words, PrintStream out, PrintStream err) {
    if (words.contains("--help") || words.contains("-h")) {
      out.print(EngineArguments.USAGE);
      return 0;
    }
    EngineArguments arguments;
    try {
      arguments = EngineArguments.parse(words);
    } catch (IllegalArgumentException | VolumeException e) {
      err.println("longhorn engine: " + e.getMessage());
      err.print(EngineArguments.USAGE);
      return USAGE;
    }
    try {
      return serve(arguments, out, err);
    } catch (VolumeException e) {
      err.println("longhorn engine: " + e.getMessage());
      return FAILED;
    }
  }

  private static int serve(EngineArguments arguments, PrintStream out, PrintStream err) {
    try (VolumeLoop loop = new VolumeLoop("volume-" + arguments.config().name())) {
      VolumeEngine engine = new VolumeEngine(arguments.config(), loop);
      // Before anything else: an engine that waits for its replicas is watched too.
      List<ControlServer> controls =
          arguments.control().stream().map(at -> ControlServer.open(loop, at, engine)).toList();
      List<NbdServer> servers = new CopyOnWriteArrayList<>();
      AtomicBoolean isStopping = new AtomicBoolean();
      Thread stopper = new Thread(() -> stop(engine, servers, controls, isStopping, err), "stop");
      Runtime.getRuntime().addShutdownHook(stopper);
      engine.start();
      try {
        if (awaitServing(engine, err)) {
          listen(arguments, loop, engine, servers, out);
          List<String> uris = servers.stream().map(NbdServer::uri).toList();
          controls.forEach(control -> control.serving(uris));
        }
      } catch (VolumeException e) {
        isStopping.set(true);
        engine.close().orTimeout(CLOSE_SECONDS, TimeUnit.SECONDS).exceptionally(_ -> null).join();
        // After what closing has to say: who reports the end of a process reports its last line.
        err.println("longhorn engine: " + e.getMessage());
      }
      engine.whenOver().join();
      if (!isStopping.get()) {
        err.println(
            "longhorn engine: volume "
                + arguments.config().name()
                + ": "
                + engine.status().state());
      }
      servers.forEach(NbdServer::close);
      controls.forEach(ControlServer::close);
      return FAILED;
    }
  }

  private static void listen(
      EngineArguments arguments,
      VolumeLoop loop,
      VolumeEngine engine,
      List<NbdServer> servers,
      PrintStream out) {
    String name = arguments.config().name().value();
    NbdExport export = new NbdExport(name, "replicated volume " + name);
    for (Endpoint endpoint : arguments.listen()) {
      NbdServer server = NbdServer.open(loop, endpoint, export, engine::openPort);
      servers.add(server);
      out.println("serving " + server.uri());
    }
    out.flush();
  }

  /** Returns whether the volume is served, or over; says meanwhile what it waits for. */
  private static boolean awaitServing(VolumeEngine engine, PrintStream err) {
    String said = "";
    while (!engine.whenServing().isDone()) {
      try {
        engine.whenServing().copy().orTimeout(SAY_WHY_SECONDS, TimeUnit.SECONDS).join();
      } catch (CompletionException e) {
        String why = whyNot(engine.status());
        if (e.getCause() instanceof TimeoutException && !why.equals(said)) {
          err.println("longhorn engine: waiting: " + why);
          said = why;
        }
      }
    }
    return !engine.whenServing().isCompletedExceptionally();
  }

  private static String whyNot(VolumeStatus status) {
    StringBuilder why = new StringBuilder(status.state());
    for (VolumeStatus.Replica replica : status.replicas()) {
      if (!replica.reason().isEmpty()) {
        why.append("; replica ").append(replica.id()).append(": ").append(replica.reason());
      }
    }
    return why.toString();
  }

  /** SIGTERM: clients get their answers, the volume is flushed and released. */
  private static void stop(
      VolumeEngine engine,
      List<NbdServer> servers,
      List<ControlServer> controls,
      AtomicBoolean isStopping,
      PrintStream err) {
    if (engine.whenOver().isDone()) {
      return;
    }
    isStopping.set(true);
    try {
      for (NbdServer server : servers) {
        server.stop().orTimeout(CLOSE_SECONDS, TimeUnit.SECONDS).exceptionally(_ -> null).join();
      }
      engine.close().orTimeout(CLOSE_SECONDS, TimeUnit.SECONDS).join();
      for (ControlServer control : controls) {
        control.closed().orTimeout(CLOSE_SECONDS, TimeUnit.SECONDS).exceptionally(_ -> null).join();
      }
      // The signal's own exit code would say that something went wrong.
      Runtime.getRuntime().halt(0);
    } catch (CompletionException e) {
      err.println("longhorn engine: the volume was not released in time: " + e.getMessage());
    }
  }
}

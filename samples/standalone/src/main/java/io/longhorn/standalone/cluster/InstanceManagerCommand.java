package io.longhorn.standalone.cluster;

import io.longhorn.api.cluster.Engine;
import io.longhorn.api.cluster.InstanceManager;
import io.longhorn.api.cluster.ObjectKind;
import io.longhorn.api.cluster.Replica;
import io.longhorn.orchestration.command.ClusterClient;
import io.longhorn.orchestration.command.Command.SignalInstanceManager;
import io.longhorn.standalone.report.Printer;
import io.longhorn.standalone.report.Reports;
import io.longhorn.standalone.report.Reports.ManagerReport;
import io.longhorn.standalone.report.Table;
import java.util.List;
import java.util.Locale;
import picocli.CommandLine.Command;
import picocli.CommandLine.HelpCommand;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.ParameterException;
import picocli.CommandLine.Parameters;
import picocli.CommandLine.Spec;

/** {@code longhorn instance-manager}, as far as the cluster is concerned. */
@Command(
    description = "Lists instance managers and sends them signals.",
    mixinStandardHelpOptions = true,
    synopsisSubcommandLabel = "COMMAND",
    addMethodSubcommands = false,
    subcommands = HelpCommand.class)
public final class InstanceManagerCommand implements Runnable {
  @Spec private CommandSpec spec = CommandSpec.create();

  /** For the command line's parser. */
  public InstanceManagerCommand() {}

  @Override
  public void run() {
    throw new ParameterException(spec.commandLine(), "Missing command");
  }

  @Command(description = "Lists instance managers.", mixinStandardHelpOptions = true)
  void ls(@Mixin ClusterOptions cluster, @Mixin OutputOptions output) {
    try (ClusterClient client = cluster.connect()) {
      List<Engine> engines = client.list(ObjectKind.ENGINE, Engine.class);
      List<Replica> replicas = client.list(ObjectKind.REPLICA, Replica.class);
      List<ManagerReport> managers =
          client.list(ObjectKind.INSTANCE_MANAGER, InstanceManager.class).stream()
              .map(manager -> report(manager, engines, replicas))
              .toList();
      if (!output.isTable()) {
        Printer.print(cluster.out(), output.format(), managers);
        return;
      }
      Table table =
          new Table("INSTANCE MANAGER", "NODE", "STATE", "PID", "ENGINES", "REPLICAS", "SINCE");
      managers.forEach(manager ->
          table.row(
              manager.name(),
              manager.node(),
              manager.state(),
              manager.pid(),
              manager.engines(),
              manager.replicas(),
              manager.since()));
      table.print(cluster.out());
    }
  }

  private static ManagerReport report(
      InstanceManager manager, List<Engine> engines, List<Replica> replicas) {
    long running =
        engines.stream()
            .map(engine -> engine.status().instance())
            .filter(view -> view.pid() != 0 && view.instanceManagerName().equals(manager.name()))
            .count();
    long serving =
        replicas.stream()
            .map(replica -> replica.status().instance())
            .filter(view -> view.pid() != 0 && view.instanceManagerName().equals(manager.name()))
            .count();
    return new ManagerReport(
        manager.name(),
        manager.nodeID(),
        manager.state().text(),
        manager.pid(),
        (int) running,
        (int) serving,
        Reports.time(manager.sinceMillis()));
  }

  @Command(
      description = "Sends a signal to an instance manager; what it started dies with it.",
      mixinStandardHelpOptions = true)
  void kill(
      @Mixin ClusterOptions cluster,
      @Parameters(paramLabel = "NAME", description = "The instance manager.") String name,
      @Option(
              names = "--signal",
              defaultValue = "KILL",
              paramLabel = "SIGNAL",
              description = "KILL, TERM, STOP or CONT (default ${DEFAULT-VALUE}).")
          String signal) {
    try (ClusterClient client = cluster.connect()) {
      client.run(new SignalInstanceManager(name, signal.toUpperCase(Locale.ROOT)));
    }
  }
}

package io.longhorn.standalone.cluster;

import io.longhorn.api.cluster.InstanceManager;
import io.longhorn.api.cluster.Node;
import io.longhorn.api.cluster.ObjectKind;
import io.longhorn.orchestration.command.ClusterClient;
import io.longhorn.orchestration.command.Command.CordonNode;
import io.longhorn.orchestration.command.Command.PowerNode;
import io.longhorn.standalone.report.Printer;
import io.longhorn.standalone.report.Reports.NodeReport;
import io.longhorn.standalone.report.Table;
import java.util.List;
import java.util.stream.Collectors;
import picocli.CommandLine.Command;
import picocli.CommandLine.HelpCommand;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.ParameterException;
import picocli.CommandLine.Parameters;
import picocli.CommandLine.Spec;

/** {@code longhorn node}. */
@Command(
    description = "Lists nodes, cordons them, fails them and brings them back.",
    mixinStandardHelpOptions = true,
    synopsisSubcommandLabel = "COMMAND",
    addMethodSubcommands = false,
    subcommands = HelpCommand.class)
public final class NodeCommand implements Runnable {
  @Spec private CommandSpec spec = CommandSpec.create();

  /** For the command line's parser. */
  public NodeCommand() {}

  @Override
  public void run() {
    throw new ParameterException(spec.commandLine(), "Missing command");
  }

  @Command(description = "Lists nodes.", mixinStandardHelpOptions = true)
  void ls(@Mixin ClusterOptions cluster, @Mixin OutputOptions output) {
    try (ClusterClient client = cluster.connect()) {
      List<InstanceManager> managers =
          client.list(ObjectKind.INSTANCE_MANAGER, InstanceManager.class);
      List<NodeReport> nodes =
          client.list(ObjectKind.NODE, Node.class).stream()
              .map(node -> report(node, managers))
              .toList();
      if (!output.isTable()) {
        Printer.print(cluster.out(), output.format(), nodes);
        return;
      }
      Table table = new Table("NODE", "READY", "REASON", "SCHEDULABLE", "INSTANCE MANAGER");
      nodes.forEach(node ->
          table.row(
              node.name(),
              node.ready(),
              node.reason(),
              node.schedulable(),
              node.instanceManager()));
      table.print(cluster.out());
    }
  }

  private static NodeReport report(Node node, List<InstanceManager> managers) {
    String manager =
        managers.stream()
            .filter(one -> one.nodeID().equals(node.name()))
            .map(one -> one.name() + " " + one.state().text())
            .collect(Collectors.joining(", "));
    return new NodeReport(
        node.name(), node.ready().isTrue(), node.ready().reason(), !node.isCordoned(), manager);
  }

  @Command(
      description =
          "Turns a node's power off: every process of it is killed, and none is started there"
              + " until it is recovered.",
      mixinStandardHelpOptions = true)
  void fail(
      @Mixin ClusterOptions cluster,
      @Parameters(paramLabel = "NODE", description = "The node.") String node) {
    power(cluster, node, true);
  }

  @Command(description = "Turns a node's power on again.", mixinStandardHelpOptions = true)
  void recover(
      @Mixin ClusterOptions cluster,
      @Parameters(paramLabel = "NODE", description = "The node.") String node) {
    power(cluster, node, false);
  }

  private static void power(ClusterOptions cluster, String node, boolean isOff) {
    try (ClusterClient client = cluster.connect()) {
      client.run(new PowerNode(node, isOff));
    }
    cluster.out().println("the power of " + node + " is " + (isOff ? "off" : "on"));
  }

  @Command(description = "Nothing new is placed on a node.", mixinStandardHelpOptions = true)
  void cordon(
      @Mixin ClusterOptions cluster,
      @Parameters(paramLabel = "NODE", description = "The node.") String node) {
    cordon(cluster, node, true);
  }

  @Command(
      description = "New replicas may be placed on a node again.",
      mixinStandardHelpOptions = true)
  void uncordon(
      @Mixin ClusterOptions cluster,
      @Parameters(paramLabel = "NODE", description = "The node.") String node) {
    cordon(cluster, node, false);
  }

  private static void cordon(ClusterOptions cluster, String node, boolean isCordoned) {
    try (ClusterClient client = cluster.connect()) {
      client.run(new CordonNode(node, isCordoned));
    }
    cluster.out().println(node + " is " + (isCordoned ? "cordoned" : "open for new replicas"));
  }
}

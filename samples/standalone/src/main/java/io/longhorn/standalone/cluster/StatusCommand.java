package io.longhorn.standalone.cluster;

import io.longhorn.api.cluster.Node;
import io.longhorn.api.cluster.ObjectKind;
import io.longhorn.orchestration.command.ClusterClient;
import io.longhorn.standalone.report.VolumeReport;
import java.util.List;
import java.util.concurrent.Callable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;

/** {@code longhorn status}. */
@Command(
    description = "Says in a few lines how the cluster is; exits with 1 if it is not up.",
    mixinStandardHelpOptions = true)
public final class StatusCommand implements Callable<Integer> {
  @Mixin private ClusterOptions cluster = new ClusterOptions();

  /** For the command line's parser. */
  public StatusCommand() {}

  @Override
  public Integer call() {
    try (ClusterClient client = cluster.connect()) {
      List<Node> nodes = client.list(ObjectKind.NODE, Node.class);
      List<VolumeReport> volumes = new ClusterReader(client).volumes();
      long ready = nodes.stream().filter(node -> node.ready().isTrue()).count();
      cluster
          .out()
          .println("daemon   up, pid " + client.daemonPid() + ", " + cluster.layout().state());
      cluster.out().println("nodes    " + ready + " of " + nodes.size() + " ready");
      cluster
          .out()
          .println(
              "volumes  "
                  + volumes.size()
                  + ": "
                  + count(volumes, "attached")
                  + " attached, "
                  + volumes.stream()
                      .filter(volume -> volume.robustness().equals("degraded"))
                      .count()
                  + " degraded, "
                  + volumes.stream().filter(volume -> !volume.conditions().isEmpty()).count()
                  + " waiting for something");
      return 0;
    }
  }

  private static long count(List<VolumeReport> volumes, String state) {
    return volumes.stream().filter(volume -> volume.state().equals(state)).count();
  }
}

package io.longhorn.standalone.volume;

import io.longhorn.api.IoError;
import io.longhorn.api.VolumeException;
import io.longhorn.orchestration.command.ClusterClient;
import io.longhorn.orchestration.command.Command.AttachVolume;
import io.longhorn.orchestration.command.Command.CreateVolume;
import io.longhorn.orchestration.command.Command.DeleteVolume;
import io.longhorn.orchestration.command.Command.DetachVolume;
import io.longhorn.orchestration.command.Command.UpgradeVolume;
import io.longhorn.standalone.cluster.ClusterOptions;
import io.longhorn.standalone.cluster.ClusterReader;
import io.longhorn.standalone.cluster.OutputOptions;
import io.longhorn.standalone.cluster.WaitOptions;
import io.longhorn.standalone.report.Printer;
import io.longhorn.standalone.report.Reports.CheckReport;
import io.longhorn.standalone.report.Size;
import io.longhorn.standalone.report.Table;
import io.longhorn.standalone.report.VolumeReport;
import io.longhorn.standalone.report.VolumeReport.ReplicaReport;
import java.io.PrintWriter;
import java.time.Duration;
import java.time.Instant;
import java.time.temporal.ChronoUnit;
import java.util.List;
import java.util.Optional;
import java.util.function.Predicate;
import java.util.stream.Collectors;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Command;
import picocli.CommandLine.HelpCommand;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.ParameterException;
import picocli.CommandLine.Parameters;
import picocli.CommandLine.Spec;

/** {@code longhorn volume}. */
@Command(
    description = "Creates, attaches and shows volumes.",
    mixinStandardHelpOptions = true,
    synopsisSubcommandLabel = "COMMAND",
    addMethodSubcommands = false,
    subcommands = HelpCommand.class)
public final class VolumeCommand implements Runnable {
  private static final int BROKEN = 1;

  /** Of a replica's progress, what is a change worth a line. */
  private static final int STEP_PERMILLE = 100;

  private static final Duration WATCH = Duration.ofSeconds(10);

  @Spec private CommandSpec spec = CommandSpec.create();

  /** For the command line's parser. */
  public VolumeCommand() {}

  @Override
  public void run() {
    throw new ParameterException(spec.commandLine(), "Missing command");
  }

  @Command(description = "Creates a volume.", mixinStandardHelpOptions = true)
  void create(
      @Mixin ClusterOptions cluster,
      @Parameters(paramLabel = "NAME", description = "Its name.") String name,
      @Option(
              names = "--size",
              required = true,
              paramLabel = "SIZE",
              description = "Its size, for example 10GiB.")
          String size,
      @Option(
              names = "--replicas",
              defaultValue = "3",
              paramLabel = "N",
              description = "How many replicas, each on another node (default ${DEFAULT-VALUE}).")
          int replicas,
      @Option(
              names = "--migratable",
              description =
                  "Whether it may have tickets for two nodes, to move from one to the other.")
          boolean isMigratable,
      @Option(
              names = "--frontend",
              defaultValue = "nbd",
              paramLabel = "KIND",
              description = "How clients reach it: nbd (default).")
          String frontend,
      @Mixin WaitOptions waiting) {
    if (!frontend.equals("nbd")) {
      throw cluster.misused("--frontend '" + frontend + "': nbd is the only one there is");
    }
    long bytes = sizeOf(cluster, size);
    try (ClusterClient client = cluster.connect()) {
      client.run(new CreateVolume(name, bytes, replicas, isMigratable));
      if (waiting.isWaiting()) {
        VolumeReport made =
            require(
                "created",
                await(client, name, waiting, now -> now.isPresent() && !is(now.get(), "creating")));
        cluster
            .out()
            .println("volume " + name + " of " + Size.text(made.size()) + " on " + nodes(made));
      }
    }
  }

  private static long sizeOf(ClusterOptions cluster, String text) {
    try {
      return Size.parse(text);
    } catch (IllegalArgumentException e) {
      throw cluster.misused(String.valueOf(e.getMessage()));
    }
  }

  private static String nodes(VolumeReport volume) {
    return volume.replicas().stream().map(ReplicaReport::node).collect(Collectors.joining(", "));
  }

  @Command(
      description = "Attaches a volume to a node and prints the URI that clients take.",
      mixinStandardHelpOptions = true)
  void attach(
      @Mixin ClusterOptions cluster,
      @Parameters(paramLabel = "NAME", description = "The volume.") String name,
      @Option(
              names = "--node",
              required = true,
              paramLabel = "NODE",
              description = "Where its engine is to run.")
          String node,
      @Option(
              names = "--ticket",
              defaultValue = "",
              paramLabel = "ID",
              description = "Name of this wish (default: the node).")
          String ticket,
      @Option(
              names = "--nbd",
              defaultValue = "",
              paramLabel = "ADDRESS",
              description =
                  "Where clients connect: unix:PATH or tcp:HOST:PORT (default: a socket).")
          String nbd,
      @Mixin WaitOptions waiting) {
    try (ClusterClient client = cluster.connect()) {
      client.run(new AttachVolume(name, node, ticket, nbd));
      if (waiting.isWaiting()) {
        VolumeReport attached =
            require(
                "attached to " + node,
                await(
                    client,
                    name,
                    waiting,
                    now -> now.isPresent() && isAttachedTo(now.get(), node)));
        cluster.out().println(attached.endpoints().get(node));
      }
    }
  }

  private static boolean isAttachedTo(VolumeReport volume, String node) {
    boolean isThere =
        volume.currentNodeID().equals(node) || volume.currentMigrationNodeID().equals(node);
    return is(volume, "attached")
        && isThere
        && volume.endpoints().containsKey(node)
        && volume.tickets().stream()
            .anyMatch(ticket -> ticket.node().equals(node) && ticket.satisfied());
  }

  @Command(
      description = "Takes wishes to have a volume attached back; without any it is detached.",
      mixinStandardHelpOptions = true)
  void detach(
      @Mixin ClusterOptions cluster,
      @Parameters(paramLabel = "NAME", description = "The volume.") String name,
      @Option(
              names = "--ticket",
              defaultValue = "",
              paramLabel = "ID",
              description = "The one of this name.")
          String ticket,
      @Option(
              names = "--node",
              defaultValue = "",
              paramLabel = "NODE",
              description = "Those for this node.")
          String node,
      @Option(names = "--all", description = "All of them.") boolean isAll,
      @Mixin WaitOptions waiting) {
    int said = (ticket.isEmpty() ? 0 : 1) + (node.isEmpty() ? 0 : 1) + (isAll ? 1 : 0);
    if (said > 1) {
      throw cluster.misused("use one of --ticket, --node and --all");
    }
    try (ClusterClient client = cluster.connect()) {
      if (said == 0 && new ClusterReader(client).volume(name).tickets().size() > 1) {
        throw new VolumeException(
            IoError.INVALID,
            "volume " + name + " has several tickets: use --ticket, --node or --all");
      }
      client.run(new DetachVolume(name, node, ticket));
      if (waiting.isWaiting()) {
        require(
            "detached",
            await(
                client,
                name,
                waiting,
                now ->
                    now.isEmpty() || !now.get().tickets().isEmpty() || is(now.get(), "detached")));
      }
    }
  }

  @Command(
      description =
          "Runs a volume from another engine image: under its clients if that can be done, else"
              + " when it is detached.",
      mixinStandardHelpOptions = true)
  void upgrade(
      @Mixin ClusterOptions cluster,
      @Parameters(paramLabel = "NAME", description = "The volume.") String name,
      @Option(
              names = "--image",
              defaultValue = "",
              paramLabel = "IMAGE",
              description = "What it is to run from.")
          String image,
      @Option(
              names = "--rollback",
              description = "Back to the image that it still runs from; the upgrade is given up.")
          boolean isRollback,
      @Mixin WaitOptions waiting) {
    if (image.isEmpty() != isRollback) {
      throw cluster.misused("use one of --image and --rollback");
    }
    try (ClusterClient client = cluster.connect()) {
      client.run(new UpgradeVolume(name, image));
      if (waiting.isWaiting()) {
        VolumeReport now =
            require("upgraded", await(client, name, waiting, VolumeCommand::isUpgradeSettled));
        cluster.out().println(runsFrom(now));
      }
    }
  }

  /** Whether it runs from what it is to, or nothing more is done before somebody detaches it. */
  private static boolean isUpgradeSettled(Optional<VolumeReport> now) {
    return now.isEmpty()
        || now.get().currentImage().equals(now.get().image())
        || whyNotLive(now.get()).isPresent();
  }

  private static Optional<String> whyNotLive(VolumeReport volume) {
    return volume.conditions().stream()
        .filter(condition -> condition.reason().equals("U6"))
        .map(VolumeReport.ConditionReport::message)
        .findFirst();
  }

  private static String runsFrom(VolumeReport volume) {
    String is = "volume " + volume.name() + " runs from image " + volume.currentImage();
    return volume.currentImage().equals(volume.image())
        ? is
        : is
            + ", and from "
            + volume.image()
            + " when it is detached: "
            + whyNotLive(volume).orElse("");
  }

  @Command(description = "Shows one volume, or all.", mixinStandardHelpOptions = true)
  void get(
      @Mixin ClusterOptions cluster,
      @Mixin OutputOptions output,
      @Parameters(paramLabel = "NAME", arity = "0..1", description = "The volume.")
          @Nullable String name) {
    try (ClusterClient client = cluster.connect()) {
      if (name == null) {
        list(cluster.out(), output, new ClusterReader(client).volumes());
      } else {
        show(cluster.out(), output, new ClusterReader(client).volume(name));
      }
    }
  }

  @Command(description = "Lists volumes.", mixinStandardHelpOptions = true)
  void ls(@Mixin ClusterOptions cluster, @Mixin OutputOptions output) {
    try (ClusterClient client = cluster.connect()) {
      list(cluster.out(), output, new ClusterReader(client).volumes());
    }
  }

  private static void list(PrintWriter out, OutputOptions output, List<VolumeReport> volumes) {
    if (!output.isTable()) {
      Printer.print(out, output.format(), volumes);
      return;
    }
    Table table =
        new Table(
            "NAME", "SIZE", "STATE", "ROBUSTNESS", "NODE", "IN SYNC", "ENDPOINT", "WAITING FOR");
    for (VolumeReport volume : volumes) {
      table.row(
          volume.name(),
          Size.text(volume.size()),
          volume.state(),
          volume.robustness(),
          volume.currentNodeID(),
          isKnown(volume) ? volume.inSync() + "/" + volume.numberOfReplicas() : "",
          String.join(" ", volume.endpoints().values()),
          waitsFor(volume));
    }
    table.print(out);
  }

  private static boolean isKnown(VolumeReport volume) {
    return is(volume, "attached") && !volume.robustness().equals("unknown");
  }

  private static void show(PrintWriter out, OutputOptions output, VolumeReport volume) {
    if (!output.isTable()) {
      Printer.print(out, output.format(), volume);
      return;
    }
    list(out, output, List.of(volume));
    out.println();
    new Table("ENGINE", "STATE", "NODE", "IMAGE", "INSTANCE MANAGER", "GENERATION", "PID")
        .row(
            volume.engine().name(),
            volume.engine().state(),
            volume.engine().node(),
            volume.engine().image(),
            volume.engine().instanceManager(),
            volume.engine().generation(),
            volume.engine().pid())
        .print(out);
    out.println();
    replicas(out, volume.replicas());
    out.println();
    Table tickets = new Table("TICKET", "NODE", "SATISFIED", "REASON");
    volume
        .tickets()
        .forEach(
            ticket -> tickets.row(ticket.id(), ticket.node(), ticket.satisfied(), ticket.reason()));
    tickets.print(out);
    if (!volume.conditions().isEmpty()) {
      out.println();
      Table conditions = new Table("WAITING", "RULE", "FOR", "SINCE");
      volume
          .conditions()
          .forEach(why -> conditions.row(why.type(), why.reason(), why.message(), why.since()));
      conditions.print(out);
    }
  }

  static void replicas(PrintWriter out, List<ReplicaReport> replicas) {
    Table table = new Table("REPLICA", "NODE", "MODE", "STATE", "PID", "PROGRESS", "REASON");
    for (ReplicaReport replica : replicas) {
      table.row(
          replica.name(),
          replica.node(),
          replica.mode(),
          replica.state(),
          replica.pid(),
          replica.mode().equals("WO") ? replica.progressPermille() / 10 + " %" : "",
          replica.reason());
    }
    table.print(out);
  }

  private static String waitsFor(VolumeReport volume) {
    return volume.conditions().stream()
        .map(VolumeReport.ConditionReport::message)
        .collect(Collectors.joining("; "));
  }

  @Command(
      description =
          "Prints a line whenever a volume changes, and for each tenth that is copied to a replica,"
              + " until interrupted.",
      mixinStandardHelpOptions = true)
  void watch(
      @Mixin ClusterOptions cluster,
      @Parameters(paramLabel = "NAME", arity = "0..1", description = "The volume.")
          @Nullable String name) {
    try (ClusterClient client = cluster.connect()) {
      ClusterReader reader = new ClusterReader(client);
      List<String> before = List.of();
      while (true) {
        long revision = client.awaitChange(0, Duration.ZERO);
        List<VolumeReport> now = name == null ? reader.volumes() : List.of(reader.volume(name));
        List<String> lines = now.stream().map(VolumeCommand::line).toList();
        for (String line : lines) {
          if (!before.contains(line)) {
            cluster.out().println(Instant.now().truncatedTo(ChronoUnit.MILLIS) + "  " + line);
            cluster.out().flush();
          }
        }
        before = lines;
        client.awaitChange(revision, WATCH);
      }
    }
  }

  private static String line(VolumeReport volume) {
    String replicas =
        volume.replicas().stream()
            .map(replica ->
                replica.node()
                    + "="
                    + (replica.mode().isEmpty() ? replica.state() : replica.mode())
                    + (replica.mode().equals("WO")
                        ? " "
                            + replica.progressPermille() / STEP_PERMILLE * STEP_PERMILLE / 10
                            + "%"
                        : ""))
            .collect(Collectors.joining(" "));
    String waits = waitsFor(volume);
    return volume.name()
        + "  "
        + volume.state()
        + "  "
        + volume.robustness()
        + "  "
        + replicas
        + (waits.isEmpty() ? "" : "  waiting: " + waits);
  }

  @Command(
      description =
          "Compares the in-sync replicas of an attached volume, block by block, verifies their"
              + " checksums, and lists the replicas that are not in sync. Exits with 1 if they"
              + " differ.",
      mixinStandardHelpOptions = true)
  int check(
      @Mixin ClusterOptions cluster,
      @Mixin OutputOptions output,
      @Parameters(paramLabel = "NAME", description = "The volume.") String name) {
    try (ClusterClient client = cluster.connect()) {
      ClusterClient.Comparison found = client.check(name);
      VolumeReport volume = new ClusterReader(client).volume(name);
      List<String> others =
          volume.replicas().stream()
              .filter(replica -> !replica.mode().equals("RW"))
              .map(replica -> replica.name() + " (" + replica.reason() + ")")
              .toList();
      CheckReport report =
          new CheckReport(
              name,
              found.copies(),
              found.comparedBytes(),
              found.differingBlocks(),
              found.damagedChunks(),
              others);
      if (output.isTable()) {
        cluster.out().println(words(report));
      } else {
        Printer.print(cluster.out(), output.format(), report);
      }
      return found.isClean() ? 0 : BROKEN;
    }
  }

  private static String words(CheckReport report) {
    String result =
        report.differingBlocks() == 0 && report.damagedChunks() == 0
            ? report.comparedReplicas() > 1 ? "identical" : "sound, with nothing to compare it to"
            : report.differingBlocks()
                + " blocks differ, "
                + report.damagedChunks()
                + " chunks have a block whose checksum or medium failed";
    return "volume "
        + report.volume()
        + ": "
        + Size.text(report.comparedBytes())
        + " on "
        + report.comparedReplicas()
        + " in-sync replicas: "
        + result
        + (report.others().isEmpty() ? "" : "; not in sync: " + String.join(", ", report.others()));
  }

  @Command(description = "Deletes a detached volume and its data.", mixinStandardHelpOptions = true)
  void delete(
      @Mixin ClusterOptions cluster,
      @Parameters(paramLabel = "NAME", description = "The volume.") String name,
      @Mixin WaitOptions waiting) {
    try (ClusterClient client = cluster.connect()) {
      client.run(new DeleteVolume(name));
      if (waiting.isWaiting() && await(client, name, waiting, Optional::isEmpty).isPresent()) {
        throw new VolumeException(
            IoError.TIMEOUT,
            "volume "
                + name
                + " is being deleted, and not gone after "
                + waiting.limit().toSeconds()
                + " s");
      }
    }
  }

  private static Optional<VolumeReport> await(
      ClusterClient client,
      String name,
      WaitOptions waiting,
      Predicate<Optional<VolumeReport>> isWanted) {
    Optional<VolumeReport> last = new ClusterReader(client).await(name, waiting.limit(), isWanted);
    if (!isWanted.test(last)) {
      throw new VolumeException(
          IoError.TIMEOUT,
          "volume "
              + name
              + " is "
              + last.map(VolumeReport::state).orElse("gone")
              + " after "
              + waiting.limit().toSeconds()
              + " s"
              + last.map(VolumeCommand::waitsFor)
                  .filter(why -> !why.isEmpty())
                  .map(why -> ": " + why)
                  .orElse("")
              + "; it goes on by itself: longhorn volume get "
              + name);
    }
    return last;
  }

  private static VolumeReport require(String what, Optional<VolumeReport> volume) {
    return volume.orElseThrow(
        () -> new VolumeException(IoError.NOT_FOUND, "the volume is gone before it was " + what));
  }

  private static boolean is(VolumeReport volume, String state) {
    return volume.state().equals(state);
  }
}

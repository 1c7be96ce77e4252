package io.longhorn.standalone.cluster;

import static java.nio.charset.StandardCharsets.UTF_8;

import io.longhorn.api.IoError;
import io.longhorn.api.VolumeException;
import io.longhorn.api.cluster.EngineImage;
import io.longhorn.api.cluster.ObjectKind;
import io.longhorn.orchestration.command.ClusterClient;
import io.longhorn.orchestration.command.Command.AddEngineImage;
import io.longhorn.orchestration.command.Command.ChangeSetting;
import io.longhorn.orchestration.command.Command.RemoveEngineImage;
import io.longhorn.orchestration.decision.Settings;
import io.longhorn.standalone.report.Printer;
import io.longhorn.standalone.report.Reports.ImageReport;
import io.longhorn.standalone.report.Table;
import java.io.IOException;
import java.nio.file.Path;
import java.util.List;
import picocli.CommandLine.Command;
import picocli.CommandLine.HelpCommand;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.ParameterException;
import picocli.CommandLine.Parameters;
import picocli.CommandLine.Spec;

/** {@code longhorn engine-image}. */
@Command(
    description =
        "Lists engine images, adds and removes them. An image is a runtime directory of one"
            + " version, which engines and replicas run from.",
    mixinStandardHelpOptions = true,
    synopsisSubcommandLabel = "COMMAND",
    addMethodSubcommands = false,
    subcommands = HelpCommand.class)
public final class EngineImageCommand implements Runnable {
  @Spec private CommandSpec spec = CommandSpec.create();

  /** For the command line's parser. */
  public EngineImageCommand() {}

  @Override
  public void run() {
    throw new ParameterException(spec.commandLine(), "Missing command");
  }

  @Command(description = "Lists engine images.", mixinStandardHelpOptions = true)
  void ls(@Mixin ClusterOptions cluster, @Mixin OutputOptions output) {
    try (ClusterClient client = cluster.connect()) {
      String first = new ClusterReader(client).settings().text(Settings.Key.DEFAULT_ENGINE_IMAGE);
      List<ImageReport> images =
          client.list(ObjectKind.ENGINE_IMAGE, EngineImage.class).stream()
              .map(image -> report(image, image.name().equals(first)))
              .toList();
      if (!output.isTable()) {
        Printer.print(cluster.out(), output.format(), images);
        return;
      }
      Table table = new Table("IMAGE", "VERSION", "DEFAULT", "REFERENCES", "LAUNCHER");
      images.forEach(image ->
          table.row(
              image.name(),
              image.version(),
              image.defaultImage(),
              image.references(),
              image.launcher()));
      table.print(cluster.out());
    }
  }

  private static ImageReport report(EngineImage image, boolean isDefault) {
    return new ImageReport(
        image.name(),
        image.version(),
        isDefault,
        image.refCount(),
        image.launcher(),
        List.copyOf(image.deployedOn()));
  }

  @Command(
      description = "Adds an image: a copy of a runtime directory, on every node.",
      mixinStandardHelpOptions = true)
  void add(
      @Mixin ClusterOptions cluster,
      @Parameters(paramLabel = "NAME", description = "What it is to be called.") String name,
      @Option(
              names = "--from",
              defaultValue = "",
              paramLabel = "DIR",
              description = "The runtime directory (default: that of this command).")
          String from) {
    Path images = cluster.layout().images();
    try (ClusterClient client = cluster.connect()) {
      RuntimeImage image = RuntimeImage.add(images, from);
      try {
        String version = versionOf(image);
        client.run(new AddEngineImage(name, image.launcher().toString(), version));
        cluster.out().println("engine image " + name + " is version " + version);
      } catch (VolumeException e) {
        image.remove(images);
        throw e;
      }
    }
  }

  /** As it names itself: what does not is no build of this. */
  private static String versionOf(RuntimeImage image) {
    try {
      ProcessBuilder builder =
          new ProcessBuilder(image.launcher().toString(), "--version").redirectErrorStream(true);
      builder.environment().putIfAbsent("JAVA_HOME", System.getProperty("java.home", ""));
      Process process = builder.start();
      process.getOutputStream().close();
      String said = new String(process.getInputStream().readAllBytes(), UTF_8).strip();
      if (process.waitFor() != 0 || said.isEmpty() || said.contains("\n")) {
        throw new VolumeException(
            IoError.INVALID, "the runtime directory does not say its version, but: " + said);
      }
      return said;
    } catch (IOException e) {
      throw new VolumeException(
          IoError.INVALID, "the runtime directory cannot be used: " + e.getMessage(), e);
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
      throw new VolumeException(IoError.EIO, "interrupted; nothing was added", e);
    }
  }

  @Command(description = "Removes an image that nobody uses.", mixinStandardHelpOptions = true)
  void rm(
      @Mixin ClusterOptions cluster,
      @Parameters(paramLabel = "NAME", description = "The image.") String name) {
    try (ClusterClient client = cluster.connect()) {
      List<EngineImage> images = client.list(ObjectKind.ENGINE_IMAGE, EngineImage.class);
      client.run(new RemoveEngineImage(name));
      images.stream()
          .filter(image -> image.name().equals(name))
          .forEach(image ->
              new RuntimeImage(Path.of(image.launcher())).remove(cluster.layout().images()));
    }
    cluster.out().println("engine image " + name + " is removed");
  }

  @Command(
      name = "default",
      description = "New volumes run from this image from now on.",
      mixinStandardHelpOptions = true)
  void makeDefault(
      @Mixin ClusterOptions cluster,
      @Parameters(paramLabel = "NAME", description = "The image.") String name) {
    try (ClusterClient client = cluster.connect()) {
      client.run(new ChangeSetting(Settings.Key.DEFAULT_ENGINE_IMAGE.key(), name));
    }
    cluster.out().println("new volumes run from engine image " + name);
  }
}

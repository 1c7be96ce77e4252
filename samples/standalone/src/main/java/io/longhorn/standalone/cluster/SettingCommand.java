package io.longhorn.standalone.cluster;

import io.longhorn.api.IoError;
import io.longhorn.api.VolumeException;
import io.longhorn.orchestration.command.ClusterClient;
import io.longhorn.orchestration.command.Command.ChangeSetting;
import io.longhorn.orchestration.decision.Settings;
import io.longhorn.standalone.report.Printer;
import io.longhorn.standalone.report.Reports.SettingReport;
import io.longhorn.standalone.report.Table;
import java.util.ArrayList;
import java.util.List;
import picocli.CommandLine.Command;
import picocli.CommandLine.HelpCommand;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.ParameterException;
import picocli.CommandLine.Parameters;
import picocli.CommandLine.Spec;

/** {@code longhorn setting}. */
@Command(
    description = "Shows and changes what holds for the whole cluster.",
    mixinStandardHelpOptions = true,
    synopsisSubcommandLabel = "COMMAND",
    addMethodSubcommands = false,
    subcommands = HelpCommand.class)
public final class SettingCommand implements Runnable {
  @Spec private CommandSpec spec = CommandSpec.create();

  /** For the command line's parser. */
  public SettingCommand() {}

  @Override
  public void run() {
    throw new ParameterException(spec.commandLine(), "Missing command");
  }

  @Command(description = "Lists settings.", mixinStandardHelpOptions = true)
  void ls(@Mixin ClusterOptions cluster, @Mixin OutputOptions output) {
    try (ClusterClient client = cluster.connect()) {
      Settings settings = new ClusterReader(client).settings();
      List<SettingReport> reports = new ArrayList<>();
      for (Settings.Key key : Settings.Key.values()) {
        reports.add(
            new SettingReport(key.key(), settings.text(key), key.otherwise(), key.allowed()));
      }
      if (!output.isTable()) {
        Printer.print(cluster.out(), output.format(), reports);
        return;
      }
      Table table = new Table("SETTING", "VALUE", "DEFAULT", "ALLOWED");
      reports.forEach(one -> table.row(one.name(), one.value(), one.defaultValue(), one.allowed()));
      table.print(cluster.out());
    }
  }

  @Command(description = "Prints the value of a setting.", mixinStandardHelpOptions = true)
  void get(
      @Mixin ClusterOptions cluster,
      @Parameters(paramLabel = "NAME", description = "The setting.") String name) {
    try (ClusterClient client = cluster.connect()) {
      Settings.Key key =
          Settings.Key.of(name)
              .orElseThrow(() ->
                  new VolumeException(
                      IoError.NOT_FOUND,
                      "there is no setting " + name + "; see longhorn setting ls"));
      cluster.out().println(new ClusterReader(client).settings().text(key));
    }
  }

  @Command(description = "Changes a setting.", mixinStandardHelpOptions = true)
  void set(
      @Mixin ClusterOptions cluster,
      @Parameters(paramLabel = "NAME", description = "The setting.") String name,
      @Parameters(
              paramLabel = "VALUE",
              arity = "0..1",
              defaultValue = "",
              description = "Its value.")
          String value,
      @Option(names = "--default", description = "Sets it back to what holds by itself.")
          boolean isDefault) {
    if (value.isEmpty() != isDefault) {
      throw cluster.misused("use one of VALUE and --default");
    }
    try (ClusterClient client = cluster.connect()) {
      client.run(new ChangeSetting(name, value));
    }
  }
}

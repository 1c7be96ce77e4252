package io.longhorn.standalone.cluster;

import io.longhorn.api.IoError;
import io.longhorn.api.VolumeException;
import io.longhorn.api.cluster.Event;
import io.longhorn.api.cluster.ObjectKind;
import io.longhorn.orchestration.command.ClusterClient;
import io.longhorn.standalone.report.Printer;
import io.longhorn.standalone.report.Reports;
import io.longhorn.standalone.report.Reports.EventReport;
import java.io.PrintWriter;
import java.time.Duration;
import java.util.List;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;

/** {@code longhorn events}. */
@Command(description = "Shows what happened, oldest first.", mixinStandardHelpOptions = true)
public final class EventsCommand implements Runnable {
  private static final Duration WATCH = Duration.ofSeconds(10);

  @Mixin private ClusterOptions cluster = new ClusterOptions();
  @Mixin private OutputOptions output = new OutputOptions();

  @Parameters(
      paramLabel = "VOLUME",
      arity = "0..1",
      defaultValue = "",
      description = "Only what happened to it and what belongs to it.")
  private String volume = "";

  @Option(
      names = {"-w", "--watch"},
      description = "Goes on with what happens from now on, until interrupted.")
  private boolean isWatching;

  /** For the command line's parser. */
  public EventsCommand() {}

  @Override
  public void run() {
    try (ClusterClient client = cluster.connect()) {
      requireKnown(client);
      String last = "";
      do {
        long revision = client.awaitChange(0, Duration.ZERO);
        String seen = last;
        List<Event> events =
            client.list(ObjectKind.EVENT, Event.class).stream()
                .filter(event -> event.name().compareTo(seen) > 0)
                .toList();
        last = events.isEmpty() ? last : events.getLast().name();
        print(cluster.out(), events.stream().filter(this::isAboutIt).toList());
        if (isWatching) {
          client.awaitChange(revision, WATCH);
        }
      } while (isWatching);
    }
  }

  /** A volume that is gone has its events. */
  private void requireKnown(ClusterClient client) {
    if (!volume.isEmpty()
        && new ClusterReader(client).find(volume).isEmpty()
        && client.list(ObjectKind.EVENT, Event.class).stream().noneMatch(this::isAboutIt)) {
      throw new VolumeException(
          IoError.NOT_FOUND,
          "there is no volume " + volume + ", and nothing is known of one; see longhorn volume ls");
    }
  }

  private boolean isAboutIt(Event event) {
    String about = event.about().name();
    return volume.isEmpty()
        || about.equals(volume)
        || about.startsWith(volume + "-e-")
        || about.startsWith(volume + "-r-");
  }

  private void print(PrintWriter out, List<Event> events) {
    if (!output.isTable()) {
      Printer.print(out, output.format(), events.stream().map(EventsCommand::report).toList());
      return;
    }
    for (Event event : events) {
      EventReport report = report(event);
      out.println(
          report.time() + "  " + report.type() + "  " + report.reason() + "  " + report.message());
    }
    out.flush();
  }

  private static EventReport report(Event event) {
    return new EventReport(
        Reports.time(event.atMillis()),
        event.isWarning() ? "Warning" : "Normal",
        event.reason(),
        event.about().name(),
        event.message());
  }
}

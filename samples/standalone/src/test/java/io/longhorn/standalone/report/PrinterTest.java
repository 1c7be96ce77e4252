package io.longhorn.standalone.report;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.dataformat.yaml.YAMLMapper;
import io.longhorn.standalone.report.VolumeReport.ConditionReport;
import io.longhorn.standalone.report.VolumeReport.EngineReport;
import io.longhorn.standalone.report.VolumeReport.ReplicaReport;
import io.longhorn.standalone.report.VolumeReport.TicketReport;
import io.longhorn.standalone.report.VolumeReport.UpgradeReport;
import java.io.IOException;
import java.io.PrintWriter;
import java.io.StringWriter;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import org.junit.jupiter.api.Test;

final class PrinterTest {
  private static final VolumeReport VOLUME =
      new VolumeReport(
          "v",
          256L << 20,
          "attached",
          "degraded",
          "node-1",
          "",
          "node-1",
          "",
          "",
          "default",
          "default",
          new UpgradeReport("switching", "next", 2, "it said: no"),
          3,
          true,
          new EngineReport("v-e-0", "running", "im-1", "node-1", "default", 4711, 3),
          List.of(
              new ReplicaReport(
                  "v-r-1", "node-1", "RW", "running", "im-1", "/d/r: #1", 1, "", 1000),
              new ReplicaReport(
                  "v-r-2", "no", "ERR", "error", "", "/d/r2", 0, "it said: \"no\"\n- really", 0)),
          new TreeMap<>(Map.of("node-1", "nbd+unix:///v?socket=/run/v.nbd")),
          List.of(new TicketReport("node-1", "longhorn-api", "node-1", true, "")),
          List.of(new ConditionReport("Scheduled", "Why", "true", "2026-01-01T00:00:00Z")));

  private static String print(Format format, Object what) {
    StringWriter out = new StringWriter();
    Printer.print(new PrintWriter(out), format, what);
    return out.toString();
  }

  private static JsonNode json(Object what) throws IOException {
    return new ObjectMapper().readTree(print(Format.JSON, what));
  }

  @Test
  void jsonAndYamlSayTheSame() throws IOException {
    for (Object what : List.of(VOLUME, List.of(VOLUME, VOLUME), List.of())) {
      JsonNode yaml = new YAMLMapper().readTree(print(Format.YAML, what));
      assertThat(yaml).isEqualTo(json(what));
    }
  }

  @Test
  void aVolumeHasTheFieldsThatScriptsUse() throws IOException {
    JsonNode volume = json(VOLUME);
    assertThat(fields(volume))
        .contains(
            "name",
            "size",
            "state",
            "robustness",
            "nodeID",
            "migrationNodeID",
            "currentNodeID",
            "currentMigrationNodeID",
            "pendingNodeID",
            "currentImage",
            "image",
            "engine",
            "replicas",
            "endpoints",
            "conditions");
    assertThat(fields(volume.get("engine")))
        .contains("name", "instanceManager", "node", "image", "pid", "generation");
    assertThat(fields(volume.get("replicas").get(0)))
        .contains("name", "node", "mode", "instanceManager", "dataPath", "pid");
    assertThat(fields(volume.get("conditions").get(0))).contains("type", "reason", "since");
    assertThat(volume.get("endpoints").get("node-1").asText()).startsWith("nbd+unix:");
    assertThat(volume.get("size").isIntegralNumber()).isTrue();
  }

  private static List<String> fields(JsonNode node) {
    return node.propertyStream().map(Map.Entry::getKey).toList();
  }

  @Test
  void onlyTheNodeFieldsOfTheVolumeAreCalledSo() {
    for (Format format : List.of(Format.JSON, Format.YAML)) {
      assertThat(print(format, VOLUME).lines().filter(line -> line.matches("(?i).*nodeid.*")))
          .hasSize(5);
    }
  }

  @Test
  void aTableIsNotPrintedByTheseRules() {
    assertThatThrownBy(() -> print(Format.TABLE, VOLUME))
        .isInstanceOf(IllegalArgumentException.class);
  }
}

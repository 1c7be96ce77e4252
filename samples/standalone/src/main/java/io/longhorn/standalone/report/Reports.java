package io.longhorn.standalone.report;

import java.time.Instant;
import java.util.List;

/** What is printed of objects that are not volumes, as programs read it. */
public final class Reports {
  private Reports() {}

  /** A node. */
  public record NodeReport(
      String name, boolean ready, String reason, boolean schedulable, String instanceManager) {}

  /** An instance manager and what it runs. */
  public record ManagerReport(
      String name, String node, String state, long pid, int engines, int replicas, String since) {}

  /** An engine image. */
  public record ImageReport(
      String name,
      String version,
      boolean defaultImage,
      int references,
      String launcher,
      List<String> nodes) {
    /** Copies the list. */
    public ImageReport {
      nodes = List.copyOf(nodes);
    }
  }

  /** A setting. */
  public record SettingReport(String name, String value, String defaultValue, String allowed) {}

  /** Something that happened. */
  public record EventReport(
      String time, String type, String reason, String object, String message) {}

  /** A snapshot. */
  public record SnapshotReport(String name, String created, boolean userCreated) {}

  /** What a comparison of replicas found. */
  public record CheckReport(
      String volume,
      int comparedReplicas,
      long comparedBytes,
      long differingBlocks,
      long damagedChunks,
      List<String> others) {}

  /** Milliseconds since 1970 as people and programs read them. */
  public static String time(long millis) {
    return Instant.ofEpochMilli(millis).toString();
  }
}

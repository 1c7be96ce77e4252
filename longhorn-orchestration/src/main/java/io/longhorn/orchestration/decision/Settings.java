package io.longhorn.orchestration.decision;

import io.longhorn.api.cluster.Setting;
import java.util.List;
import java.util.Optional;
import java.util.function.Function;

/**
 * The settings of a cluster that decisions look at, with Longhorn's names where Longhorn has them.
 * A value that cannot be read counts as the default; what may be set is checked before it is.
 *
 * @param values the text of a setting, if it was set
 */
public record Settings(Function<String, Optional<String>> values) {
  /** One that people may set. */
  public enum Key {
    /** Image that new engines and replicas run from. */
    DEFAULT_ENGINE_IMAGE("default-engine-image", Names.DEFAULT_IMAGE),
    /** Image that instance managers run from. */
    DEFAULT_INSTANCE_MANAGER_IMAGE("default-instance-manager-image", Names.DEFAULT_IMAGE),
    /** Whether each node has one instance manager, or one for engines and one for replicas. */
    INSTANCE_MANAGER_TYPES("instance-manager-types", "all-in-one", "all-in-one", "separate"),
    /** How many engines of a node are upgraded by themselves at the same time; 0 for none. */
    CONCURRENT_AUTOMATIC_ENGINE_UPGRADE(
        "concurrent-automatic-engine-upgrade-per-node-limit", 0, 100),
    /** Whether an image built from the same commit may follow live. */
    ALLOW_LIVE_UPGRADE_ON_SAME_COMMIT("allow-live-engine-upgrade-on-same-image-commit", false),
    /** Tries of the switch after which a live upgrade is rolled back; 0 for never. */
    ENGINE_UPGRADE_ATTEMPT_LIMIT("engine-upgrade-attempt-limit", 5, 1_000),
    /**
     * Whether a live upgrade moves the engine to the default instance manager of its node, so that
     * the one it was in is not needed any more.
     */
    ENGINE_UPGRADE_TO_DEFAULT_INSTANCE_MANAGER("engine-upgrade-to-default-instance-manager", false),
    /** How many replicas of a node are rebuilt at the same time; 0 for none. */
    CONCURRENT_REPLICA_REBUILD("concurrent-replica-rebuild-per-node-limit", 5, 100),
    /** How long a failed replica is waited for before another one is made, in seconds. */
    REPLICA_REPLENISHMENT_WAIT("replica-replenishment-wait-interval", 600, 1_000_000),
    /** Whether two replicas of a volume may be on one node if there is no other way. */
    REPLICA_SOFT_ANTI_AFFINITY("replica-soft-anti-affinity", false),
    /** Whether two replicas of a volume may be in one zone if there is no other way. */
    REPLICA_ZONE_SOFT_ANTI_AFFINITY("replica-zone-soft-anti-affinity", true),
    /** Whether two replicas of a volume may be on one disk if there is no other way. */
    REPLICA_DISK_SOFT_ANTI_AFFINITY("replica-disk-soft-anti-affinity", true),
    /** Whether nothing is placed on a cordoned node. */
    DISABLE_SCHEDULING_ON_CORDONED_NODE("disable-scheduling-on-cordoned-node", true),
    /** Share of a disk that has to stay free, in percent. */
    STORAGE_MINIMAL_AVAILABLE("storage-minimal-available-percentage", 25, 100),
    /** How much may be promised of what a disk has, in percent. */
    STORAGE_OVER_PROVISIONING("storage-over-provisioning-percentage", 100, 10_000),
    /** Whether failed replicas of a volume without any other are used again by themselves. */
    AUTO_SALVAGE("auto-salvage", true),
    /** What a drain waits for. */
    NODE_DRAIN_POLICY(
        "node-drain-policy",
        "block-if-contains-last-replica",
        "block-if-contains-last-replica",
        "block-for-eviction",
        "block-for-eviction-if-contains-last-replica",
        "allow-if-replica-is-stopped",
        "always-allow"),
    /** Whether a person's ticket goes when its node is cordoned. */
    DETACH_MANUALLY_ATTACHED_WHEN_CORDONED("detach-manually-attached-volumes-when-cordoned", false),
    /** Whether what has a volume mounted is started anew when the volume was lost. */
    AUTO_DELETE_POD("auto-delete-pod-when-volume-detached-unexpectedly", true);

    private final String key;
    private final String otherwise;

    /** What it may be, separated by commas; empty: any text. */
    private final String words;

    private final long most;

    Key(String key, boolean otherwise) {
      this(key, Boolean.toString(otherwise), "true", "false");
    }

    Key(String key, long otherwise, long most) {
      this.key = key;
      this.otherwise = Long.toString(otherwise);
      words = "";
      this.most = most;
    }

    Key(String key, String otherwise, String... words) {
      this.key = key;
      this.otherwise = otherwise;
      this.words = String.join(", ", words);
      most = -1;
    }

    /** Its name. */
    public String key() {
      return key;
    }

    /** What holds if it was not set. */
    public String otherwise() {
      return otherwise;
    }

    /** The one of a name. */
    public static Optional<Key> of(String name) {
      return List.of(values()).stream().filter(one -> one.key.equals(name)).findFirst();
    }

    /** What it may be, for a person; empty: any text. */
    public String allowed() {
      return most >= 0 ? "a number from 0 to " + most : words;
    }

    /** Whether it may have that value. */
    public boolean mayBe(String value) {
      if (most >= 0) {
        return value.matches("[0-9]{1,9}") && Long.parseLong(value) <= most;
      }
      return words.isEmpty() ? !value.isEmpty() : List.of(words.split(", ", -1)).contains(value);
    }
  }

  /** Its text. */
  public String text(Key key) {
    return values.apply(key.key).filter(key::mayBe).orElse(key.otherwise);
  }

  /** Its truth. */
  public boolean is(Key key) {
    return Boolean.parseBoolean(text(key));
  }

  /** Its number. */
  public long number(Key key) {
    return Long.parseLong(text(key));
  }

  /** How it is stored. */
  public static Setting setting(Key key, String value) {
    return new Setting(key.key, value);
  }
}

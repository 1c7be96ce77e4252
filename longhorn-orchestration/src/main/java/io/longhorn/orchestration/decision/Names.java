package io.longhorn.orchestration.decision;

import io.longhorn.api.ReplicaId;
import io.longhorn.api.cluster.InstanceManager;
import io.longhorn.api.cluster.Replica;
import java.nio.charset.StandardCharsets;
import java.util.Collection;
import java.util.Locale;
import java.util.zip.CRC32C;

/** How objects and processes are called; from these names alone they are found again. */
public final class Names {
  /** What every cluster's first engine image is called. */
  public static final String DEFAULT_IMAGE = "default";

  /** Type of the condition that says what attaching or detaching waits for. */
  public static final String WAITING = "Waiting";

  /** Type of the condition that says what a migration waits for. */
  public static final String MIGRATION = "Migration";

  /** Type of the condition that says that clients write on both sides of a migration. */
  public static final String BOTH_SIDES_WRITE = "BothSidesWrite";

  /** Type of the condition that says what an upgrade of the engine waits for. */
  public static final String UPGRADE = "Upgrade";

  /** Type of the condition that says why replicas are missing. */
  public static final String REPLICAS = "Replicas";

  /** Type of the condition that says why a replica has no place. */
  public static final String SCHEDULED = "Scheduled";

  /** Type of the condition that says whether a node is ready, or a ticket has what it asks for. */
  public static final String READY = "Ready";

  /** Reason of a node that does not exist any more. */
  public static final String NODE_GONE = "KubernetesNodeGone";

  /** Reason of a node that does not answer. */
  public static final String NODE_NOT_READY = "KubernetesNodeNotReady";

  /** Type of the condition that says why the instance managers of a node may not be drained. */
  public static final String DRAIN = "Drain";

  /** Type of the condition that says on which nodes an engine image is missing. */
  public static final String DEPLOYED = "Deployed";

  private static final int ID_DIGITS = 8;

  private static final String CREATION = "-create";
  private static final String DELETION = "-delete";
  private static final String ENGINE = "-e-";
  private static final String REPLICA = "-r-";

  private Names() {}

  /** The engine of a volume, the number counting engines from 0. */
  public static String engine(String volume, int number) {
    return volume + ENGINE + number;
  }

  /** A replica of a volume. */
  public static String replica(String volume, ReplicaId id) {
    return volume + REPLICA + id.toString().substring(0, ID_DIGITS);
  }

  /**
   * A replica that stands by for another one of the same directory: the same name with the lowest
   * number that nobody has.
   */
  public static String standby(Replica of, Collection<Replica> all) {
    String base = replica(of.spec().volumeName(), of.spec().id());
    for (int number = 1; ; number++) {
      String name = base + "-" + number;
      if (all.stream().noneMatch(replica -> replica.name().equals(name))) {
        return name;
      }
    }
  }

  /** The number of an engine, from its name; -1 for a name that is none. */
  public static int numberOf(String engine) {
    int at = engine.lastIndexOf(ENGINE);
    String digits = at < 0 ? "" : engine.substring(at + ENGINE.length());
    boolean isNumber = isDecimal(digits) && digits.length() <= 9;
    return at > 0 && isNumber ? Integer.parseInt(digits) : -1;
  }

  /** The volume of an engine, a replica, or what makes or deletes one's directory; or empty. */
  public static String volumeOf(String instance) {
    if (numberOf(instance) >= 0) {
      return instance.substring(0, instance.lastIndexOf(ENGINE));
    }
    String replica =
        isOfDirectory(instance) ? instance.substring(0, instance.lastIndexOf('-')) : instance;
    int at = replica.lastIndexOf(REPLICA);
    String id = at < 0 ? "" : replica.substring(at + REPLICA.length());
    return at > 0 && isReplicaId(id) ? replica.substring(0, at) : "";
  }

  /** Whether it makes or deletes a directory: such a process ends by itself. */
  public static boolean isOfDirectory(String instance) {
    return isCreation(instance) || instance.endsWith(DELETION);
  }

  /** Whether it makes a directory: that is done once. */
  public static boolean isCreation(String instance) {
    return instance.endsWith(CREATION);
  }

  /** Eight digits of its id, and the number of one that stands by. */
  private static boolean isReplicaId(String text) {
    if (text.length() <= ID_DIGITS) {
      return text.length() == ID_DIGITS && isHexadecimal(text);
    }
    return isHexadecimal(text.substring(0, ID_DIGITS))
        && text.charAt(ID_DIGITS) == '-'
        && isDecimal(text.substring(ID_DIGITS + 1));
  }

  private static boolean isDecimal(String text) {
    return !text.isEmpty() && text.chars().allMatch(one -> one >= '0' && one <= '9');
  }

  private static boolean isHexadecimal(String text) {
    return text.chars().allMatch(one -> (one >= '0' && one <= '9') || (one >= 'a' && one <= 'f'));
  }

  /** Whether a node that is not ready for this reason is down, and not only in trouble. */
  public static boolean isDownReason(String reason) {
    return reason.equals(NODE_GONE) || reason.equals(NODE_NOT_READY);
  }

  /**
   * An instance manager of a node. The one of the first image that starts everything has the
   * plainest name; the others have their type and eight digits in theirs.
   */
  public static String instanceManager(String node, InstanceManager.Type type, String image) {
    if (type == InstanceManager.Type.ALL_IN_ONE && image.equals(DEFAULT_IMAGE)) {
      return "instance-manager-" + node;
    }
    CRC32C sum = new CRC32C();
    sum.update((node + "/" + image).getBytes(StandardCharsets.UTF_8));
    String digits = String.format(Locale.ROOT, "%08x", sum.getValue());
    return switch (type) {
      case ALL_IN_ONE -> "instance-manager-" + digits;
      case ENGINE -> "instance-manager-e-" + digits;
      case REPLICA -> "instance-manager-r-" + digits;
    };
  }

  /** The directory of a replica, below that of its disk. */
  public static String directory(String diskPath, String replica) {
    return diskPath + "/replicas/" + replica;
  }

  /** The process that makes a replica's directory. */
  public static String creation(Replica replica) {
    return replica.name() + CREATION;
  }

  /** The process that deletes a replica's directory. */
  public static String deletion(Replica replica) {
    return replica.name() + DELETION;
  }
}

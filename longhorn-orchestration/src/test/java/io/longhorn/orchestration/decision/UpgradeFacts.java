package io.longhorn.orchestration.decision;

import io.longhorn.api.ReplicaId;
import io.longhorn.api.ReplicaMode;
import io.longhorn.api.cluster.Engine;
import io.longhorn.api.cluster.EngineImage;
import io.longhorn.api.cluster.EngineImage.Versions;
import io.longhorn.api.cluster.InstanceView;
import io.longhorn.api.cluster.ObjectKind;
import io.longhorn.api.cluster.Replica;
import io.longhorn.api.cluster.Volume;
import io.longhorn.api.cluster.Volume.Placement;
import io.longhorn.api.cluster.Volume.Placement.DataLocality;
import io.longhorn.api.cluster.Volume.Robustness;
import io.longhorn.api.cluster.Volume.State;
import java.util.List;
import java.util.TreeMap;
import java.util.TreeSet;
import java.util.UUID;
import java.util.function.UnaryOperator;

/**
 * Where the tables of the upgrade begin: volume v with three replicas on node-1 to node-3, attached
 * to node-1, healthy, images default, v2 and v3 on every node; and words that change that.
 */
public final class UpgradeFacts {
  private UpgradeFacts() {}

  /** The volume, attached and healthy. */
  public static SmallCluster attached() {
    SmallCluster cluster = new SmallCluster(4);
    cluster.addImage("v2");
    cluster.addImage("v3");
    cluster.create("v", 3);
    cluster.settle();
    cluster.attach("v", "node-1");
    return cluster.settle();
  }

  /** The volume, detached. */
  public static SmallCluster detached() {
    SmallCluster cluster = attached();
    cluster.detach("v");
    return cluster.settle();
  }

  /** Asked for, as the facade would. */
  public static void want(SmallCluster cluster, String image) {
    cluster.change("v", volume -> volume.with(volume.spec().withImage(image)));
  }

  /** Changes what a row says, one word after the other. */
  public static SmallCluster with(SmallCluster cluster, String words) {
    for (String word : words.strip().split(" +", -1)) {
      if (!word.isEmpty() && !word.equals("-")) {
        int equals = word.indexOf('=');
        String key = equals < 0 ? word : word.substring(0, equals);
        change(cluster, key, equals < 0 ? "" : word.substring(equals + 1));
      }
    }
    return cluster;
  }

  private static void change(SmallCluster cluster, String key, String value) {
    switch (key) {
      case "spec" -> want(cluster, value);
      case "current" -> status(cluster, status -> status.with(value, status.upgrade()));
      case "state" ->
          status(
              cluster,
              status ->
                  status.with(State.valueOf(value), value.equals("DETACHED") ? "" : "node-1"));
      case "data" -> status(cluster, status -> status.with(Robustness.valueOf(value), 1));
      case "M" ->
          cluster.change("v", volume -> volume.with(volume.spec().withMigrationNodeID(value)));
      case "cM" -> status(cluster, status -> status.withNodes(status.currentNodeID(), value));
      case "engines" ->
          cluster.put(
              new Engine("v-e-1", Engine.Spec.stopped("v", "default", false), Engine.Status.NONE));
      case "strict-local" ->
          cluster.change(
              "v",
              volume ->
                  volume.with(
                      volume
                          .spec()
                          .with(
                              3,
                              1,
                              new Placement(
                                  DataLocality.STRICT_LOCAL,
                                  new TreeSet<>(),
                                  new TreeSet<>(),
                                  Placement.Choice.IGNORED,
                                  Placement.Choice.IGNORED,
                                  Placement.Choice.IGNORED))));
      case "deleted" -> cluster.change("v", volume -> volume.deletedAt(1));
      case "gone" -> image(cluster, value, _ -> null);
      case "not" -> {
        String[] at = value.split("@", -1);
        TreeSet<String> nodes = new TreeSet<>(cluster.hosts.keySet());
        nodes.remove(at[1]);
        image(cluster, at[0], image -> image.on(nodes));
      }
      case "commit" -> versions(cluster, value, (name, v) -> new Versions(name, v[0], v[1], 1, 1));
      case "api" -> versions(cluster, value, (name, v) -> new Versions(name, v[0], v[1], 1, 1));
      case "format" -> versions(cluster, value, (name, v) -> new Versions(name, 1, 1, v[0], v[1]));
      case "set" -> {
        String[] set = value.split(":", -1);
        cluster.put(Settings.setting(Settings.Key.of(set[0]).orElseThrow(), set[1]));
      }
      case "cannot" -> cluster.capabilities.remove(Capability.valueOf(value));
      default -> throw new AssertionError(key);
    }
  }

  private interface Read {
    Versions versions(String commit, int[] numbers);
  }

  /** {@code v2/3/2}: image v2, interface version 3, understands 2; a commit of its own. */
  private static void versions(SmallCluster cluster, String value, Read read) {
    String[] parts = value.split("/", -1);
    int[] numbers =
        parts.length > 2
            ? new int[] {Integer.parseInt(parts[1]), Integer.parseInt(parts[2])}
            : new int[] {1, 1};
    String commit = parts.length == 2 ? parts[1] : "commit-" + parts[0];
    image(
        cluster,
        parts[0],
        image ->
            EngineImage.of(
                image.name(),
                "/bin/longhorn",
                "1",
                read.versions(commit, numbers),
                image.deployedOn()));
  }

  private static void image(SmallCluster cluster, String name, UnaryOperator<EngineImage> how) {
    EngineImage image = (EngineImage) cluster.get(ObjectKind.ENGINE_IMAGE, name).orElseThrow();
    EngineImage next = how.apply(image);
    if (next == null) {
      cluster.objects.remove(image.key());
    } else {
      cluster.put(next);
    }
  }

  private static void status(SmallCluster cluster, UnaryOperator<Volume.Status> how) {
    cluster.change("v", volume -> volume.with(how.apply(volume.status())));
  }

  // ---- replicas and the engine ------------------------------------------------------------------

  /** A replica that stands by for the one on a node, as an upgrade makes it. */
  public static Replica standby(SmallCluster cluster, String node, String image, String state) {
    Replica own = cluster.replicaOn("v", node);
    InstanceView.State is = InstanceView.State.valueOf(state);
    boolean isThere = is != InstanceView.State.STOPPED;
    Replica made =
        new Replica(
            Names.standby(own, cluster.replicas("v")),
            new Replica.Spec(
                "v",
                own.spec().id(),
                node,
                own.spec().diskID(),
                own.spec().directory(),
                image,
                true,
                "v-e-0",
                false,
                false,
                Replica.Health.NEW),
            new Replica.Status(
                true,
                false,
                new InstanceView(
                    is,
                    isThere,
                    isThere ? SmallCluster.managerName(node) : "",
                    isThere ? new UUID(3, 3).toString() : "",
                    isThere ? 77 : 0,
                    is == InstanceView.State.ERROR ? "exit code 1" : "")));
    cluster.put(made);
    return made;
  }

  /** The engine says so of its replicas, in the order of their nodes. */
  public static void modes(SmallCluster cluster, ReplicaMode... modes) {
    Engine engine = cluster.engine("v");
    TreeMap<ReplicaId, Engine.Member> members = new TreeMap<>();
    for (int i = 0; i < modes.length; i++) {
      members.put(
          cluster.replicaOn("v", "node-" + (i + 1)).spec().id(),
          new Engine.Member(modes[i], "", 0, 0));
    }
    Engine.Status now = engine.status();
    cluster.put(
        engine.with(
            new Engine.Status(
                now.instance(),
                now.id(),
                now.isServing(),
                now.generation(),
                now.state(),
                now.endpoints(),
                members,
                now.currentImage())));
  }

  /** The engine's process runs from an image. */
  public static void engineRuns(SmallCluster cluster, String image) {
    Engine engine = cluster.engine("v");
    cluster.put(engine.with(engine.status().withCurrentImage(image)));
  }

  /** The names of the actions about processes. */
  public static List<String> asked(List<Action> actions) {
    return actions.stream()
        .filter(Action.ProcessAction.class::isInstance)
        .map(Action.ProcessAction.class::cast)
        .map(action -> action.getClass().getSimpleName() + " " + action.subject())
        .toList();
  }
}

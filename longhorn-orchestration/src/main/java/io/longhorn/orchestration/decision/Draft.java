package io.longhorn.orchestration.decision;

import io.longhorn.api.cluster.ClusterObject;
import io.longhorn.api.cluster.Condition;
import io.longhorn.api.cluster.Engine;
import io.longhorn.api.cluster.EngineImage;
import io.longhorn.api.cluster.InstanceManager;
import io.longhorn.api.cluster.Node;
import io.longhorn.api.cluster.ObjectKey;
import io.longhorn.api.cluster.ObjectKind;
import io.longhorn.api.cluster.Replica;
import io.longhorn.api.cluster.Volume;
import io.longhorn.api.cluster.VolumeAttachment;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.SortedMap;
import java.util.SortedSet;
import java.util.TreeMap;
import java.util.TreeSet;

/**
 * A plan in the making: the objects as they will be once what is planned so far is stored, and what
 * else is to be done. Each planner sees what those before it decided.
 */
final class Draft {
  private final ClusterView view;
  private final TreeMap<ObjectKey, ClusterObject> objects;
  private final SortedSet<ObjectKey> changed = new TreeSet<>();
  private final List<Action.Tell> tells = new ArrayList<>();
  private final List<Action> actions = new ArrayList<>();

  Draft(ClusterView view) {
    this.view = view;
    objects = new TreeMap<>(view.objects());
  }

  long nowMillis() {
    return view.nowMillis();
  }

  boolean isStopping() {
    return view.isStopping();
  }

  ManagerSeen seen(InstanceManager manager) {
    return view.managers().getOrDefault(manager.name(), ManagerSeen.NOT_YET);
  }

  /** Whether anybody has looked at it since this control plane was started. */
  boolean isSeen(InstanceManager manager) {
    return seen(manager).reach() != ManagerSeen.Reach.NOT_SEEN;
  }

  Optional<EngineSeen> seen(Engine engine) {
    return Optional.ofNullable(view.engines().get(engine.name()));
  }

  // ---- objects --------------------------------------------------------------------------------

  void put(ClusterObject object) {
    if (!object.equals(objects.put(object.key(), object))) {
      changed.add(object.key());
    }
  }

  void remove(ObjectKey key) {
    if (objects.remove(key) != null) {
      changed.add(key);
    }
  }

  List<Node> nodes() {
    return all(ObjectKind.NODE, Node.class);
  }

  List<InstanceManager> instanceManagers() {
    return all(ObjectKind.INSTANCE_MANAGER, InstanceManager.class);
  }

  List<Volume> volumes() {
    return all(ObjectKind.VOLUME, Volume.class);
  }

  List<Engine> engines() {
    return all(ObjectKind.ENGINE, Engine.class);
  }

  List<Replica> replicas() {
    return all(ObjectKind.REPLICA, Replica.class);
  }

  Optional<Engine> engineOf(Volume volume) {
    return engines().stream()
        .filter(engine -> engine.spec().volumeName().equals(volume.name()))
        .filter(engine -> engine.spec().isActive())
        .findFirst();
  }

  List<Replica> replicasOf(Volume volume) {
    return replicas().stream()
        .filter(replica -> replica.spec().volumeName().equals(volume.name()))
        .toList();
  }

  VolumeAttachment attachmentOf(Volume volume) {
    return find(ObjectKind.VOLUME_ATTACHMENT, volume.name(), VolumeAttachment.class)
        .orElseGet(() -> new VolumeAttachment(volume.name(), new TreeMap<>()));
  }

  Optional<Volume> volume(String name) {
    return find(ObjectKind.VOLUME, name, Volume.class);
  }

  Optional<Node> node(String name) {
    return find(ObjectKind.NODE, name, Node.class);
  }

  Optional<EngineImage> image(String name) {
    return find(ObjectKind.ENGINE_IMAGE, name, EngineImage.class);
  }

  /** The one of a node. */
  Optional<InstanceManager> instanceManagerOn(String node) {
    return instanceManagers().stream().filter(manager -> manager.nodeID().equals(node)).findFirst();
  }

  private <T extends ClusterObject> List<T> all(ObjectKind kind, Class<T> type) {
    SortedMap<ObjectKey, ClusterObject> from = objects.tailMap(first(kind));
    List<T> found = new ArrayList<>();
    for (Map.Entry<ObjectKey, ClusterObject> entry : from.entrySet()) {
      if (entry.getKey().kind() != kind) {
        break;
      }
      found.add(type.cast(entry.getValue()));
    }
    return found;
  }

  private static ObjectKey first(ObjectKind kind) {
    return new ObjectKey(kind, "\0");
  }

  private <T extends ClusterObject> Optional<T> find(ObjectKind kind, String name, Class<T> type) {
    return name.isEmpty()
        ? Optional.empty()
        : Optional.ofNullable(objects.get(new ObjectKey(kind, name))).map(type::cast);
  }

  // ---- what is to be done ---------------------------------------------------------------------

  void act(Action action) {
    actions.add(action);
  }

  void tell(ClusterObject about, boolean isWarning, String reason, String message) {
    tells.add(new Action.Tell(about.key(), isWarning, reason, message));
  }

  Condition condition(String type, boolean isTrue, String reason, String message) {
    return new Condition(type, isTrue, reason, message, nowMillis());
  }

  /**
   * Replicas, then engines, then the rest, the volume last: every prefix of it converges. What is
   * told of an object comes right after its change: a plan that is cut off there tells of what was
   * done, and of nothing else, for the next one does not see the change any more.
   */
  List<Action> plan() {
    List<Action> plan = new ArrayList<>();
    List<Action.Tell> untold = new ArrayList<>(tells);
    changed.stream()
        .sorted((a, b) -> order(a.kind()) - order(b.kind()))
        .forEach(key -> {
          ClusterObject object = objects.get(key);
          boolean isSame = object != null && object.equals(view.objects().get(key));
          if (!isSame) {
            plan.add(object == null ? new Action.Remove(key) : new Action.Put(object));
            tells.stream().filter(tell -> tell.about().equals(key)).forEach(plan::add);
            untold.removeIf(tell -> tell.about().equals(key));
          }
        });
    plan.addAll(untold);
    plan.addAll(actions);
    return plan;
  }

  private static int order(ObjectKind kind) {
    return switch (kind) {
      case SETTING, NODE, INSTANCE_MANAGER, ENGINE_IMAGE -> 0;
      case REPLICA -> 1;
      case ENGINE -> 2;
      case MEMBERSHIP, VOLUME_ATTACHMENT, EVENT -> 3;
      case VOLUME -> 4;
    };
  }
}

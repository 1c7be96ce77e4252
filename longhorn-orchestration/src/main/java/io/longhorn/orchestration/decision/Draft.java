package io.longhorn.orchestration.decision;

import io.longhorn.api.EngineId;
import io.longhorn.api.cluster.ClusterObject;
import io.longhorn.api.cluster.Condition;
import io.longhorn.api.cluster.Engine;
import io.longhorn.api.cluster.EngineImage;
import io.longhorn.api.cluster.InstanceManager;
import io.longhorn.api.cluster.InstanceView;
import io.longhorn.api.cluster.Membership;
import io.longhorn.api.cluster.Node;
import io.longhorn.api.cluster.ObjectKey;
import io.longhorn.api.cluster.ObjectKind;
import io.longhorn.api.cluster.Replica;
import io.longhorn.api.cluster.Volume;
import io.longhorn.api.cluster.VolumeAttachment;
import java.util.ArrayList;
import java.util.Collection;
import java.util.List;
import java.util.Optional;
import java.util.SortedMap;
import java.util.TreeMap;
import java.util.function.Predicate;
import org.jspecify.annotations.Nullable;

/**
 * A plan in the making: the objects as they will be once what is planned so far is stored, and what
 * else is to be done. Each planner sees what those before it decided. It holds only what the plan
 * changes; everything else is read through to the view.
 */
public final class Draft {
  private final ClusterView view;

  /** Changed objects; null for one that is to be removed. */
  private final TreeMap<ObjectKey, @Nullable ClusterObject> changed = new TreeMap<>();

  /** What the view has: a plan asks for few objects, and for each many times. */
  private final TreeMap<ObjectKey, Optional<ClusterObject>> stored = new TreeMap<>();

  /** Those of one volume as they will be, until one of the kind changes. */
  private Listing<Engine> engines = Listing.none();

  private Listing<Replica> replicas = Listing.none();

  private final List<Action.Tell> tells = new ArrayList<>();
  private final List<Action> actions = new ArrayList<>();
  private final List<Plan.Reason> reasons = new ArrayList<>();
  private long lookAgainMillis = Long.MAX_VALUE;

  private record Listing<T>(String volume, List<T> all) {
    static <T> Listing<T> none() {
      return new Listing<>("", List.of());
    }
  }

  /** An empty plan for a view, which is not to change before it is made. */
  public Draft(ClusterView view) {
    this.view = view;
  }

  /** What it is planned for. */
  public ClusterView view() {
    return view;
  }

  /** Now, in milliseconds since 1970. */
  public long nowMillis() {
    return view.nowMillis();
  }

  /** Whether the cluster goes down. */
  public boolean isStopping() {
    return view.isStopping();
  }

  /** The settings. */
  public Settings settings() {
    return view.settings();
  }

  /** What was last seen of an instance manager. */
  public ManagerSeen seen(InstanceManager manager) {
    return view.manager(manager.name());
  }

  /** Whether anybody has looked at it since this control plane was started. */
  public boolean isSeen(InstanceManager manager) {
    return seen(manager).reach() != ManagerSeen.Reach.NOT_SEEN;
  }

  /** What an engine last said. */
  public Optional<EngineSeen> seen(Engine engine) {
    return view.engine(engine.name());
  }

  /** The last try to switch an engine that failed. */
  public Optional<SwapSeen> swapOf(Engine engine) {
    return view.swap(engine.name());
  }

  /** Processes of a volume that an instance manager had when it was last seen, by name. */
  public SortedMap<String, ManagerSeen.Instance> processesOf(
      String volume, InstanceManager manager) {
    TreeMap<String, ManagerSeen.Instance> found = new TreeMap<>();
    // What belongs to it begins with its name; so does what belongs to others.
    seen(manager)
        .instances()
        .subMap(volume + "-", volume + ".")
        .forEach((name, instance) -> {
          if (Names.volumeOf(name).equals(volume)) {
            found.put(name, instance);
          }
        });
    return found;
  }

  /** Instance managers that had processes of a volume when they were last seen. */
  public List<InstanceManager> managersWith(String volume) {
    return view.managersWith(volume).stream()
        .flatMap(name -> find(ObjectKind.INSTANCE_MANAGER, name, InstanceManager.class).stream())
        .toList();
  }

  // ---- objects --------------------------------------------------------------------------------

  /** It is to be stored so; no change if it is stored so already. */
  public void put(ClusterObject object) {
    ObjectKey key = object.key();
    boolean isStored = stored(key).filter(object::equals).isPresent();
    if (!isStored || changed.containsKey(key)) {
      change(key, object);
    }
    if (isStored) {
      changed.remove(key);
    }
  }

  /** It is to be removed. */
  public void remove(ObjectKey key) {
    change(key, null);
  }

  private void change(ObjectKey key, @Nullable ClusterObject object) {
    changed.put(key, object);
    if (key.kind() == ObjectKind.ENGINE) {
      engines = Listing.none();
    } else if (key.kind() == ObjectKind.REPLICA) {
      replicas = Listing.none();
    }
  }

  private Optional<ClusterObject> stored(ObjectKey key) {
    return stored.computeIfAbsent(key, view::find);
  }

  /** One object as it will be; none for an empty name. */
  public <T extends ClusterObject> Optional<T> find(ObjectKind kind, String name, Class<T> type) {
    if (name.isEmpty()) {
      return Optional.empty();
    }
    ObjectKey key = new ObjectKey(kind, name);
    return changed.containsKey(key)
        ? Optional.ofNullable(changed.get(key)).map(type::cast)
        : stored(key).map(type::cast);
  }

  /** All objects of a kind as they will be, by name. As long as the cluster has them. */
  public <T extends ClusterObject> List<T> all(ObjectKind kind, Class<T> type) {
    return overlaid(view.all(kind, type), kind, type, _ -> true);
  }

  private <T extends ClusterObject> List<T> overlaid(
      Collection<T> stored, ObjectKind kind, Class<T> type, Predicate<T> belongs) {
    if (changed.keySet().stream().noneMatch(key -> key.kind() == kind)) {
      return List.copyOf(stored);
    }
    TreeMap<String, T> now = new TreeMap<>();
    stored.forEach(object -> now.put(object.name(), object));
    changed.forEach((key, object) -> {
      if (key.kind() == kind) {
        now.remove(key.name());
        if (object != null && belongs.test(type.cast(object))) {
          now.put(key.name(), type.cast(object));
        }
      }
    });
    return List.copyOf(now.values());
  }

  /** All nodes. */
  public List<Node> nodes() {
    return all(ObjectKind.NODE, Node.class);
  }

  /** All instance managers. */
  public List<InstanceManager> instanceManagers() {
    return all(ObjectKind.INSTANCE_MANAGER, InstanceManager.class);
  }

  /** Engines of a volume, by name: one, or two while it migrates. */
  public List<Engine> enginesOf(String volume) {
    if (!engines.volume().equals(volume)) {
      engines =
          new Listing<>(
              volume,
              overlaid(
                  view.enginesOf(volume).values(),
                  ObjectKind.ENGINE,
                  Engine.class,
                  engine -> engine.spec().volumeName().equals(volume)));
    }
    return engines.all();
  }

  /** The volume's engine (3.4): the active one. */
  public Optional<Engine> engineOf(Volume volume) {
    return enginesOf(volume.name()).stream().filter(engine -> engine.spec().isActive()).findFirst();
  }

  /**
   * The engine that owns the volume's generation; before any has taken one, the volume's engine.
   * Empty if the owner is a start of a process that is not known any more.
   */
  public Optional<Engine> ownerOf(Volume volume) {
    Optional<EngineId> owner =
        membershipOf(volume).flatMap(membership -> membership.record().owner());
    List<Engine> engines = enginesOf(volume.name());
    Optional<Engine> known =
        engines.stream()
            .filter(engine -> engine.status().id().isPresent())
            .filter(engine -> engine.status().id().equals(owner))
            .findFirst();
    boolean isAnyNamed = engines.stream().anyMatch(engine -> engine.status().id().isPresent());
    return known.isPresent() || (owner.isPresent() && isAnyNamed && engines.size() > 1)
        ? known
        : engineOf(volume);
  }

  /** Replicas of a volume, by name; while it migrates or is upgraded, those that stand by too. */
  public List<Replica> replicasOf(Volume volume) {
    if (!replicas.volume().equals(volume.name())) {
      replicas =
          new Listing<>(
              volume.name(),
              overlaid(
                  view.replicasOf(volume.name()).values(),
                  ObjectKind.REPLICA,
                  Replica.class,
                  replica -> replica.spec().volumeName().equals(volume.name())));
    }
    return replicas.all();
  }

  /** Its replicas that are its own, not those that stand by. */
  public List<Replica> activeReplicasOf(Volume volume) {
    return replicasOf(volume).stream().filter(replica -> replica.spec().isActive()).toList();
  }

  /** Its tickets. */
  public VolumeAttachment attachmentOf(Volume volume) {
    return find(ObjectKind.VOLUME_ATTACHMENT, volume.name(), VolumeAttachment.class)
        .orElseGet(() -> new VolumeAttachment(volume.name(), new TreeMap<>()));
  }

  /** Who is in sync, and which engine may write. */
  public Optional<Membership> membershipOf(Volume volume) {
    return find(ObjectKind.MEMBERSHIP, volume.name(), Membership.class);
  }

  /** A volume. */
  public Optional<Volume> volume(String name) {
    return find(ObjectKind.VOLUME, name, Volume.class);
  }

  /** A node. */
  public Optional<Node> node(String name) {
    return find(ObjectKind.NODE, name, Node.class);
  }

  /** An image. */
  public Optional<EngineImage> image(String name) {
    return find(ObjectKind.ENGINE_IMAGE, name, EngineImage.class);
  }

  /** Instance managers of a node, by name. */
  public List<InstanceManager> managersOn(String node) {
    return overlaid(
        view.managersOn(node).values(),
        ObjectKind.INSTANCE_MANAGER,
        InstanceManager.class,
        manager -> manager.nodeID().equals(node));
  }

  /** The instance manager that starts new engines, or new replicas, on a node. */
  public Optional<InstanceManager> defaultManager(String node, boolean isForEngine) {
    String image = settings().text(Settings.Key.DEFAULT_INSTANCE_MANAGER_IMAGE);
    return managersOn(node).stream()
        .filter(manager -> manager.image().equals(image))
        .filter(manager -> isForEngine ? manager.type().hasEngines() : manager.type().hasReplicas())
        .findFirst();
  }

  /**
   * The instance manager of an engine: the one that has its process; the default one of its node if
   * it has none.
   */
  public Optional<InstanceManager> managerOf(Engine engine) {
    return find(
            ObjectKind.INSTANCE_MANAGER,
            engine.status().instance().instanceManagerName(),
            InstanceManager.class)
        .or(() -> defaultManager(engine.spec().nodeID(), true));
  }

  /** The same for a replica. */
  public Optional<InstanceManager> managerOf(Replica replica) {
    return find(
            ObjectKind.INSTANCE_MANAGER,
            replica.status().instance().instanceManagerName(),
            InstanceManager.class)
        .or(() -> defaultManager(replica.spec().nodeID(), false));
  }

  /** Whether a node is down or gone: not whether it only has trouble (section 8). */
  public boolean isDown(String node) {
    Optional<Node> found = node(node);
    return found.isEmpty()
        || (!found.get().ready().isTrue() && Names.isDownReason(found.get().ready().reason()));
  }

  /**
   * Whether a process does no harm any more: it is gone; or it is out of reach on a node that is
   * down, and then it is fenced: whoever opens the volume next takes a higher generation, and no
   * replica takes a write of a lower one. Longhorn assumes that it has stopped.
   */
  public boolean hasStopped(InstanceView instance, String node) {
    return switch (instance.currentState()) {
      case STOPPED, ERROR -> true;
      case UNKNOWN -> isDown(node);
      case STARTING, RUNNING, STOPPING -> false;
    };
  }

  // ---- what is to be done ---------------------------------------------------------------------

  /** Something to be carried out. */
  public void act(Action.ProcessAction action) {
    actions.add(action);
  }

  /** Something for people to know. */
  public void tell(ClusterObject about, boolean isWarning, String reason, String message) {
    tells.add(new Action.Tell(about.key(), isWarning, reason, message));
  }

  /** A condition that begins now. */
  public Condition condition(String type, boolean isTrue, String reason, String message) {
    return new Condition(type, isTrue, reason, message, nowMillis());
  }

  /**
   * Something of a volume is not as wanted, and why. Shown in its status for as long as it is said
   * in every plan; of several of one type, the first.
   *
   * @param type what waits, for example {@link Names#MIGRATION}
   * @param rule the rule's name
   */
  public void waits(Volume volume, String type, String rule, String message) {
    boolean isSaid =
        reasons.stream()
            .anyMatch(
                reason -> reason.about().equals(volume.key()) && reason.what().type().equals(type));
    if (!isSaid) {
      reasons.add(new Plan.Reason(volume.key(), condition(type, true, rule, message)));
    }
  }

  /** Something that belongs to no volume is not as wanted, and why; in the plan's reasons. */
  public void reason(ClusterObject about, String type, String rule, String message) {
    reasons.add(new Plan.Reason(about.key(), condition(type, true, rule, message)));
  }

  /** Whether a volume waited for the same already before this plan: then nobody is told again. */
  public boolean isKnown(Volume volume, String type, String rule) {
    return view.find(ObjectKind.VOLUME, volume.name(), Volume.class)
        .flatMap(before -> before.status().condition(type))
        .filter(condition -> condition.reason().equals(rule))
        .isPresent();
  }

  /** Since when a volume waits for that; now if it has just begun to. */
  public long sinceMillis(Volume volume, String type, String rule) {
    return view.find(ObjectKind.VOLUME, volume.name(), Volume.class)
        .flatMap(before -> before.status().condition(type))
        .filter(condition -> condition.reason().equals(rule))
        .map(Condition::sinceMillis)
        .orElse(nowMillis());
  }

  /** What was said of a volume so far. */
  public List<Condition> conditionsOf(Volume volume) {
    return reasons.stream()
        .filter(reason -> reason.about().equals(volume.key()))
        .map(Plan.Reason::what)
        .toList();
  }

  /** Time alone changes the plan then. */
  public void lookAgain(long atMillis) {
    lookAgainMillis = Math.min(lookAgainMillis, Math.max(atMillis, nowMillis() + 1));
  }

  /**
   * Rule 1.2: replicas, then engines, then the rest, the volume last: every prefix of it converges.
   * Where the removal of an engine comes before another one becomes the volume's, it is in this
   * order too. What is told of an object comes right after its change: a plan that is cut off there
   * tells of what was done, and of nothing else, for the next one does not see the change any more.
   */
  public Plan plan() {
    List<Action> plan = new ArrayList<>();
    List<Action.Tell> untold = new ArrayList<>(tells);
    changed.keySet().stream()
        .sorted((a, b) -> order(a) - order(b))
        .forEach(key -> {
          ClusterObject object = changed.get(key);
          ClusterObject before = view.find(key).orElse(null);
          boolean isSame = object == null ? before == null : object.equals(before);
          if (!isSame) {
            plan.add(object == null ? new Action.Remove(key) : new Action.Put(object));
            tells.stream().filter(tell -> tell.about().equals(key)).forEach(plan::add);
            untold.removeIf(tell -> tell.about().equals(key));
          }
        });
    plan.addAll(untold);
    plan.addAll(actions);
    return new Plan(plan, reasons, lookAgainMillis);
  }

  private int order(ObjectKey key) {
    ClusterObject now = changed.get(key);
    boolean isRemoved = now == null;
    return switch (key.kind()) {
      case SETTING, NODE, INSTANCE_MANAGER, ENGINE_IMAGE -> 0;
      // Where a directory changes hands there is never none that has it.
      case REPLICA -> isNowActive(key, now) ? 1 : 2;
      case ENGINE -> isRemoved ? 3 : 4;
      case MEMBERSHIP, EVENT -> 5;
      // A ticket has what it asks for because of the record: whoever reads that goes by it.
      // And never before the volume is as it says, for whoever waits for it goes on at once.
      case VOLUME_ATTACHMENT -> isNowSatisfied(key, now) ? 8 : 6;
      case VOLUME -> 7;
    };
  }

  private boolean isNowSatisfied(ObjectKey key, @Nullable ClusterObject now) {
    return now instanceof VolumeAttachment after
        && view.find(key).orElse(null) instanceof VolumeAttachment before
        && after.tickets().values().stream()
            .filter(ticket -> ticket.satisfied().isTrue())
            .map(ticket -> before.tickets().get(ticket.id()))
            .anyMatch(ticket -> ticket == null || !ticket.satisfied().isTrue());
  }

  private boolean isNowActive(ObjectKey key, @Nullable ClusterObject now) {
    return now instanceof Replica after
        && after.spec().isActive()
        && !(view.find(key).orElse(null) instanceof Replica before && before.spec().isActive());
  }

  /** Which objects the plan changes. */
  public Collection<ObjectKey> changedKeys() {
    return List.copyOf(changed.keySet());
  }
}

package io.longhorn.orchestration.decision.volume;

import io.longhorn.api.cluster.EngineImage;
import io.longhorn.api.cluster.Node;
import io.longhorn.api.cluster.Replica;
import io.longhorn.api.cluster.Volume;
import io.longhorn.api.cluster.Volume.Placement;
import io.longhorn.orchestration.decision.ClusterView;
import io.longhorn.orchestration.decision.Draft;
import io.longhorn.orchestration.decision.Settings;
import java.util.ArrayList;
import java.util.Collection;
import java.util.Comparator;
import java.util.List;
import java.util.Optional;
import java.util.TreeMap;
import org.jspecify.annotations.Nullable;

/**
 * Where a replica of a volume may be (section 7.4), and why nowhere. The numbers of the rules are:
 * 1 nodes, 2 disks, 3 room, 4 how far apart by node and zone, 5 by disk, 6 what the volume itself
 * says of 4 and 5, 7 near the engine.
 */
public final class SchedulingRule {
  /** So many places that were looked at are named when there is none. */
  private static final int MOST_NAMED = 8;

  private static final int NO_TIER = -1;

  /**
   * What places are looked for.
   *
   * @param volume whose replicas; it need not be stored yet
   * @param count how many
   * @param others its replicas that are there, standbys left out
   * @param image what the replicas are to run from
   * @param neededBytes what each is going to need at once; 0 for an empty one
   */
  public record Request(
      Volume volume, int count, List<Replica> others, String image, long neededBytes) {
    /** Copies the list. */
    public Request {
      others = List.copyOf(others);
    }

    /** All replicas of a new volume. */
    public static Request ofNew(Volume volume) {
      return new Request(
          volume, volume.spec().numberOfReplicas(), List.of(), volume.spec().image(), 0);
    }

    /**
     * One more replica of a volume. Nobody says how much data the others hold: it counts as
     * nothing, and what is promised of the disk is the bound.
     */
    public static Request ofOneMore(Volume volume, Collection<Replica> others) {
      return new Request(volume, 1, List.copyOf(others), volume.status().currentImage(), 0);
    }
  }

  /** Where, or why nowhere. */
  public sealed interface Answer {
    /** There, as many as were asked for. */
    record Places(List<Place> places) implements Answer {
      /** Copies the list. */
      public Places {
        places = List.copyOf(places);
      }
    }

    /**
     * Nowhere, not even some of them.
     *
     * @param rule which one is in the way, {@code 7.4/3}
     * @param message why, in one line
     */
    record Nowhere(String rule, String message) implements Answer {}
  }

  /** A disk of a node. */
  public record Place(String nodeID, String diskID, String diskPath) {}

  /** Somewhere a replica could be; the lower the tier the better. */
  private record Spot(Node node, Node.Disk disk, int tier, long copies, long share, long load) {
    private static final Comparator<Spot> ORDER =
        Comparator.comparingInt(Spot::tier)
            .thenComparingLong(Spot::copies)
            .thenComparingLong(Spot::share)
            .thenComparingLong(Spot::load)
            .thenComparing((Spot spot) -> spot.node.name())
            .thenComparing((Spot spot) -> spot.disk.id());
  }

  /** How far what is there of a volume on a node, or in a zone, is in the way. */
  private enum Use {
    UNUSED,
    /** Only by replicas that have to leave anyway. */
    LEAVING,
    USED
  }

  /** Somewhere already, or chosen just now. */
  private record Taken(String node, String zone, String disk, boolean isLeaving, long newBytes) {}

  private final ClusterView view;
  private final Request request;
  private final Placement placement;
  private final List<Node> nodes;
  private final boolean isNodeSoft;
  private final boolean isZoneSoft;
  private final boolean isDiskSoft;
  private final boolean skipsCordoned;
  private final long minimalAvailable;
  private final long overProvisioning;
  private final Optional<EngineImage> image;
  private final List<Taken> taken = new ArrayList<>();
  private final List<String> misses = new ArrayList<>();
  private int missed;

  private SchedulingRule(Draft draft, Request request) {
    view = draft.view();
    this.request = request;
    placement = request.volume().spec().placement();
    nodes = draft.nodes();
    Settings settings = draft.settings();
    // Rule 7.4/6: what the volume says counts, the setting where it says nothing.
    isNodeSoft =
        placement.nodeSoftAntiAffinity().or(settings.is(Settings.Key.REPLICA_SOFT_ANTI_AFFINITY));
    isZoneSoft =
        placement
            .zoneSoftAntiAffinity()
            .or(settings.is(Settings.Key.REPLICA_ZONE_SOFT_ANTI_AFFINITY));
    isDiskSoft =
        placement
            .diskSoftAntiAffinity()
            .or(settings.is(Settings.Key.REPLICA_DISK_SOFT_ANTI_AFFINITY));
    skipsCordoned = settings.is(Settings.Key.DISABLE_SCHEDULING_ON_CORDONED_NODE);
    minimalAvailable = settings.number(Settings.Key.STORAGE_MINIMAL_AVAILABLE);
    overProvisioning = settings.number(Settings.Key.STORAGE_OVER_PROVISIONING);
    image = draft.image(request.image());
    TreeMap<String, Node> byName = new TreeMap<>();
    nodes.forEach(node -> byName.put(node.name(), node));
    for (Replica replica : request.others()) {
      // One that has failed is in nobody's way: where it was there may be nothing any more.
      if (!replica.spec().health().isFailed() && !replica.spec().nodeID().isEmpty()) {
        taken.add(taken(replica, byName.get(replica.spec().nodeID())));
      }
    }
  }

  private Taken taken(Replica replica, @Nullable Node node) {
    boolean isStored = view.replicasOf(request.volume().name()).containsKey(replica.name());
    String nodeID = replica.spec().nodeID();
    return new Taken(
        nodeID,
        node == null ? zoneOf(nodeID, "") : zone(node),
        replica.spec().diskID(),
        replica.spec().isEvictionRequested(),
        isStored ? 0 : request.volume().spec().sizeBytes());
  }

  /** Places for what is asked, all of them or none. Pure. */
  public static Answer place(Draft draft, Request request) {
    SchedulingRule rule = new SchedulingRule(draft, request);
    List<Place> places = new ArrayList<>();
    while (places.size() < request.count()) {
      Optional<Spot> best = rule.best();
      if (best.isEmpty()) {
        return rule.nowhere(places.size());
      }
      Node node = best.get().node();
      Node.Disk disk = best.get().disk();
      places.add(new Place(node.name(), disk.id(), disk.path()));
      rule.taken.add(
          new Taken(
              node.name(), zone(node), disk.id(), false, request.volume().spec().sizeBytes()));
    }
    return new Answer.Places(places);
  }

  /**
   * Why a replica that has a place and has failed may not be used again there; empty if it may. Its
   * room is its own already.
   */
  static Optional<String> whyNotAgain(Draft draft, Request request, Replica replica) {
    SchedulingRule rule = new SchedulingRule(draft, request);
    Optional<Node> node = draft.node(replica.spec().nodeID());
    Optional<Node.Disk> disk = node.flatMap(found -> found.disk(replica.spec().diskID()));
    if (node.isEmpty() || disk.isEmpty()) {
      return Optional.of("its disk is gone");
    }
    if (!node.get().ready().isTrue()) {
      return Optional.of("node " + node.get().name() + " is not ready");
    }
    if (!disk.get().isReady()) {
      return Optional.of("disk " + disk.get().id() + " is not ready");
    }
    if (rule.tier(node.get()) == NO_TIER) {
      return Optional.of(rule.tooNear(node.get()));
    }
    return !rule.isDiskSoft && rule.copies(node.get(), disk.get()) > 0
        ? Optional.of("another one is on its disk")
        : Optional.empty();
  }

  // ---- the search -----------------------------------------------------------------------------

  private Optional<Spot> best() {
    misses.clear();
    missed = 0;
    List<Spot> spots = new ArrayList<>();
    for (Node node : nodes) {
      String trouble = trouble(node);
      if (trouble != null) {
        miss(1, node.name() + " " + trouble);
      } else if (node.disks().isEmpty()) {
        miss(2, node.name() + " has no disk");
      } else {
        node.disks().forEach(disk -> spot(node, disk).ifPresent(spots::add));
      }
    }
    return choose(spots);
  }

  private Optional<Spot> choose(List<Spot> spots) {
    String near = request.volume().spec().nodeID();
    Optional<Spot> best = spots.stream().min(Spot.ORDER);
    Optional<Spot> local =
        spots.stream().filter(spot -> spot.node().name().equals(near)).min(Spot.ORDER);
    // Rule 7.4/7: near the engine, if that is known: strict-local must be, best-effort is if it
    // can.
    return switch (placement.dataLocality()) {
      case DISABLED -> best;
      case BEST_EFFORT ->
          local.filter(spot -> use(spot.node(), false) == Use.UNUSED).or(() -> best);
      case STRICT_LOCAL -> {
        if (!near.isEmpty() && local.isEmpty()) {
          miss(7, "strict-local: it has to be on " + near);
        }
        yield near.isEmpty() ? best : local;
      }
    };
  }

  private Optional<Spot> spot(Node node, Node.Disk disk) {
    String where = node.name() + "/" + disk.id() + " ";
    String trouble = trouble(node, disk);
    if (trouble != null) {
      return miss(2, where + trouble);
    }
    long promised = promised(node, disk);
    String noRoom = noRoom(disk, promised);
    if (noRoom != null) {
      return miss(3, where + noRoom);
    }
    int tier = tier(node);
    if (tier == NO_TIER) {
      return miss(4, node.name() + ": " + tooNear(node));
    }
    long copies = copies(node, disk);
    // Rule 7.4/5: disk-soft permits the same disk, as the last resort; hard forbids it.
    if (copies > 0 && !isDiskSoft) {
      return miss(5, where + "has one already");
    }
    long load = view.replicasOn(node.name()).size() + takenNew(node);
    return Optional.of(new Spot(node, disk, tier, copies, share(disk, promised), load));
  }

  // ---- 7.4/1 and 2: may it be there at all ----------------------------------------------------

  private @Nullable String trouble(Node node) {
    // Rule 7.4/1: ready, open, not cordoned, with the image and the tags.
    if (!node.ready().isTrue() || node.isOff()) {
      return "is not ready";
    }
    if (!node.allowsScheduling()) {
      return "takes no replicas";
    }
    if (node.isEvictionRequested()) {
      return "is being emptied";
    }
    if (node.isCordoned() && skipsCordoned) {
      return "is cordoned";
    }
    if (!hasImage(node)) {
      return "does not have image " + request.image();
    }
    return node.tags().containsAll(placement.nodeTags())
        ? null
        : "does not have the tags " + placement.nodeTags();
  }

  private boolean hasImage(Node node) {
    return image.filter(found -> found.deployedOn().contains(node.name())).isPresent();
  }

  private @Nullable String trouble(Node node, Node.Disk disk) {
    // Rule 7.4/2: ready, open, not being emptied, with the tags.
    if (!disk.isReady()) {
      return "is not ready";
    }
    if (!disk.allowsScheduling()) {
      return "takes no replicas";
    }
    if (disk.isEvictionRequested() || node.isEvictionRequested()) {
      return "is being emptied";
    }
    return disk.tags().containsAll(placement.diskTags())
        ? null
        : "does not have the tags " + placement.diskTags();
  }

  // ---- 7.4/3: room ----------------------------------------------------------------------------

  private long promised(Node node, Node.Disk disk) {
    long promised = view.promisedBytes(node.name(), disk.id());
    for (Taken one : taken) {
      promised += isAt(one, node, disk) ? one.newBytes() : 0;
    }
    return promised;
  }

  private @Nullable String noRoom(Node.Disk disk, long promised) {
    if (disk.maximumBytes() == 0) {
      return null;
    }
    // Rule 7.4/3: what stays free, and what is promised, both within their share.
    long mustStay = percent(disk.maximumBytes(), minimalAvailable);
    if (disk.availableBytes() - request.neededBytes() <= mustStay) {
      return "has "
          + disk.availableBytes()
          + " bytes free, more than "
          + mustStay
          + " have to stay";
    }
    long mayPromise =
        percent(Math.max(disk.maximumBytes() - disk.reservedBytes(), 0), overProvisioning);
    long size = request.volume().spec().sizeBytes();
    return promised + size <= mayPromise
        ? null
        : "has promised " + promised + " of " + mayPromise + " bytes, " + size + " more do not fit";
  }

  /** Without the overflow of a plain product. */
  static long percent(long of, long percent) {
    return of / 100 * percent + of % 100 * percent / 100;
  }

  /** Of what it may promise, how much it has, in permille: the least promised comes first. */
  private static long share(Node.Disk disk, long promised) {
    long usable = disk.maximumBytes() - disk.reservedBytes();
    return disk.maximumBytes() == 0 ? 0 : promised / Math.max(usable / 1000, 1);
  }

  // ---- 7.4/4: how far apart -------------------------------------------------------------------

  /** Preference of a node; {@link #NO_TIER} if one there would be too near to another. */
  private int tier(Node node) {
    Use zone = use(node, true);
    Use here = use(node, false);
    // Rule 7.4/4: an unused node in an unused zone before all.
    if (zone == Use.UNUSED) {
      return 0;
    }
    boolean isZoneFree = isZoneSoft || zone == Use.LEAVING;
    boolean isNodeFree = isNodeSoft || here != Use.USED;
    if (!isZoneFree || !isNodeFree) {
      return NO_TIER;
    }
    return switch (here) {
      case UNUSED -> 1;
      case LEAVING -> 2;
      case USED -> 3;
    };
  }

  private String tooNear(Node node) {
    return use(node, false) == Use.USED && !isNodeSoft
        ? "another one is on " + node.name()
        : "another one is in zone " + node.zone();
  }

  private Use use(Node node, boolean ofZone) {
    Use use = Use.UNUSED;
    for (Taken one : taken) {
      if (ofZone ? one.zone().equals(zone(node)) : one.node().equals(node.name())) {
        use = one.isLeaving() && use != Use.USED ? Use.LEAVING : Use.USED;
      }
    }
    return use;
  }

  private long copies(Node node, Node.Disk disk) {
    return taken.stream().filter(one -> isAt(one, node, disk)).count();
  }

  private long takenNew(Node node) {
    return taken.stream()
        .filter(one -> one.newBytes() > 0 && one.node().equals(node.name()))
        .count();
  }

  private static boolean isAt(Taken one, Node node, Node.Disk disk) {
    return one.node().equals(node.name()) && one.disk().equals(disk.id());
  }

  private static String zone(Node node) {
    return zoneOf(node.name(), node.zone());
  }

  /** A node without a zone fails by itself only: it is one of its own. */
  private static String zoneOf(String node, String zone) {
    return zone.isEmpty() ? "node/" + node : "zone/" + zone;
  }

  // ---- why nowhere ----------------------------------------------------------------------------

  private Optional<Spot> miss(int rule, String why) {
    missed = Math.max(missed, rule);
    misses.add(why);
    return Optional.empty();
  }

  private Answer.Nowhere nowhere(int found) {
    List<String> named =
        misses.size() <= MOST_NAMED ? misses : new ArrayList<>(misses.subList(0, MOST_NAMED));
    if (named.size() < misses.size()) {
      named.add("and " + (misses.size() - MOST_NAMED) + " more");
    }
    String missing =
        request.count() == 1
            ? "no place for a replica"
            : "places for " + found + " of " + request.count() + " replicas";
    String why = named.isEmpty() ? "there is no node" : String.join("; ", named);
    return new Answer.Nowhere("7.4/" + Math.max(missed, 1), missing + ": " + why);
  }
}

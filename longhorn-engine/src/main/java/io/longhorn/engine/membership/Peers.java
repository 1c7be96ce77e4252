package io.longhorn.engine.membership;

import io.longhorn.api.ReplicaId;
import io.longhorn.api.membership.MembershipRecord;
import io.longhorn.api.wire.ReplicaInfo;
import java.util.Collection;
import java.util.List;
import java.util.SortedMap;
import java.util.SortedSet;
import java.util.TreeMap;
import java.util.TreeSet;
import org.jspecify.annotations.Nullable;

/** Every configured replica, as far as one {@link MembershipCore} knows it. */
final class Peers {
  /** How far a replica's link is. */
  enum Link {
    DOWN,
    GREETED,
    ASKED,
    OURS
  }

  /** One replica. */
  static final class Peer {
    final ReplicaId id;
    Link link = Link.DOWN;
    private @Nullable ReplicaInfo hello;
    private @Nullable ReplicaInfo promise;
    boolean isSuspected;
    boolean wantsToJoin;
    boolean isKnownToStayOut;

    /** Its last HELLO was behind; perhaps only older than what others said. Outlives the link. */
    boolean isDoubted;

    Peer(ReplicaId id) {
      this.id = id;
    }

    void greeted(ReplicaInfo info) {
      down();
      link = Link.GREETED;
      hello = info;
    }

    void promised(ReplicaInfo info) {
      link = Link.OURS;
      promise = info;
    }

    void down() {
      link = Link.DOWN;
      hello = null;
      promise = null;
      isSuspected = false;
      wantsToJoin = false;
      isKnownToStayOut = false;
    }

    ReplicaInfo hello() {
      return MembershipCore.present(hello);
    }

    ReplicaInfo promise() {
      return MembershipCore.present(promise);
    }
  }

  private final List<ReplicaId> configured;
  private final SortedMap<ReplicaId, Peer> peers = new TreeMap<>();

  Peers(List<ReplicaId> configured) {
    this.configured = List.copyOf(configured);
    for (ReplicaId id : configured) {
      peers.put(id, new Peer(id));
    }
    if (configured.isEmpty()
        || configured.size() > MembershipRecord.MAX_REPLICAS
        || peers.size() != configured.size()) {
      throw new IllegalArgumentException(
          "configure 1 to "
              + MembershipRecord.MAX_REPLICAS
              + " replicas, each once: "
              + configured);
    }
  }

  List<ReplicaId> configured() {
    return configured;
  }

  /** By id. */
  Collection<Peer> all() {
    return peers.values();
  }

  Peer of(ReplicaId id) {
    Peer peer = peers.get(id);
    if (peer == null) {
      throw new IllegalArgumentException("replica " + id + " is not one of " + configured);
    }
    return peer;
  }

  /** Whether it is configured and this engine's session with it is open. */
  boolean isOurs(ReplicaId id) {
    Peer peer = peers.get(id);
    return peer != null && peer.link == Link.OURS;
  }

  SortedSet<ReplicaId> with(Link link) {
    SortedSet<ReplicaId> ids = new TreeSet<>();
    for (Peer peer : peers.values()) {
      if (peer.link == link) {
        ids.add(peer.id);
      }
    }
    return ids;
  }

  /** The highest generation of which somebody here has a record that names the replica. */
  long namedIn(ReplicaId id) {
    long named = 0;
    for (Peer other : peers.values()) {
      named = Math.max(named, other.hello == null ? 0 : other.hello.record().namedIn(id));
      named = Math.max(named, other.promise == null ? 0 : other.promise.record().namedIn(id));
    }
    return named;
  }
}

package io.longhorn.orchestration.sim.world;

import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.SortedMap;
import java.util.SortedSet;
import java.util.TreeMap;
import java.util.TreeSet;
import org.jspecify.annotations.Nullable;

/**
 * What connects machines. Frames of one link arrive in order, those of different links in any. A
 * link through a cut holds what is sent; it breaks if that lasts, or when a machine at its end
 * loses its power, and then both ends know sooner or later. Nothing else loses a frame.
 */
public final class SimNetwork {
  /** How long a frame takes, how long a cut may last before links through it break. */
  public record Timing(
      long leastMicros, long mostMicros, long breakLeastMillis, long breakMostMillis) {
    /** Up to a millisecond; two to three seconds. */
    public static final Timing DEFAULT = new Timing(50, 800, 2_000, 3_000);
  }

  /** A process that has links. */
  public interface Endpoint {
    /** The machine it is on. */
    String node();

    /** Whether it takes anything now; one that is stopped does later. */
    boolean isListening();

    /** Whether it is there at all. */
    boolean isAlive();

    /** A frame has arrived. */
    void received(Link link, byte[] frame);

    /** The link is over; nothing arrives on it any more. */
    void closed(Link link);
  }

  /** The last one of a link; no other is empty. */
  private static final byte[] END = new byte[0];

  private final SimScheduler scheduler;
  private final SortedMap<String, SimNode> nodes;
  private final Timing timing;
  private final SortedSet<String> cuts = new TreeSet<>();
  private final TreeMap<Long, Link> links = new TreeMap<>();
  private final List<Runnable> listeners = new ArrayList<>();
  private long nextLink = 1;

  /** One frame of so many ends its link; 0 for never. */
  private int brokenOneOf;

  /** Between these machines, and others that are always on. */
  public SimNetwork(SimScheduler scheduler, SortedMap<String, SimNode> nodes, Timing timing) {
    this.scheduler = scheduler;
    this.nodes = nodes;
    this.timing = timing;
  }

  /** One frame of so many ends its link; 0 for never. */
  public void breakOneOf(int frames) {
    brokenOneOf = frames;
  }

  /** Called whenever machines may be connected that were not, or the other way round. */
  public void whenChanged(Runnable listener) {
    listeners.add(listener);
  }

  /** Whether a frame between the two would arrive. */
  public boolean isConnected(String a, String b) {
    return isOn(a) && isOn(b) && !cuts.contains(pair(a, b));
  }

  private boolean isOn(String name) {
    return Optional.ofNullable(nodes.get(name)).map(SimNode::isOn).orElse(true);
  }

  private static String pair(String a, String b) {
    return a.compareTo(b) < 0 ? a + " " + b : b + " " + a;
  }

  /** Nothing goes between the two any more. */
  public void cut(String a, String b) {
    if (!a.equals(b)) {
      cuts.add(pair(a, b));
    }
  }

  /** The two are connected again. */
  public void mend(String a, String b) {
    cuts.remove(pair(a, b));
  }

  /** Whether anything is cut. */
  public boolean hasCuts() {
    return !cuts.isEmpty();
  }

  /** Nothing is cut any more. */
  public void mendAll() {
    cuts.clear();
  }

  /** Cuts were made or mended, or the power of a machine went or came. */
  public void changed() {
    for (Link link : List.copyOf(links.values())) {
      link.look();
    }
    listeners.forEach(Runnable::run);
  }

  /** Whoever was stopped takes frames again. */
  public void resumed(Endpoint endpoint) {
    for (Link link : List.copyOf(links.values())) {
      if (link.from.equals(endpoint) || link.to.equals(endpoint)) {
        link.look();
      }
    }
  }

  /** A link between two processes; both are there. */
  public Link connect(Endpoint from, Endpoint to) {
    Link link = new Link(nextLink++, from, to);
    links.put(link.number, link);
    link.look();
    return link;
  }

  /** A process has ended: its links are closed, in order with what it had sent. */
  public void ended(Endpoint endpoint) {
    for (Link link : List.copyOf(links.values())) {
      if (link.from.equals(endpoint) || link.to.equals(endpoint)) {
        link.close(endpoint);
      }
    }
  }

  /** The power of a machine went: nobody says so, its links break when somebody misses it. */
  public void vanished(String node) {
    for (Link link : List.copyOf(links.values())) {
      if (link.from.node().equals(node) || link.to.node().equals(node)) {
        link.isLost = true;
        link.look();
      }
    }
  }

  private long delay() {
    return 1_000
        * (timing.leastMicros
            + scheduler.random().nextLong(timing.mostMicros - timing.leastMicros + 1));
  }

  /** One link: two directions, each in order. */
  public final class Link {
    /** No other link has it. */
    public final long number;

    private final Endpoint from;
    private final Endpoint to;
    private final Direction forth = new Direction();
    private final Direction back = new Direction();
    private boolean isBroken;
    private boolean isLost;
    private SimScheduler.@Nullable Timer breaks;

    private static final class Direction {
      private final ArrayList<byte[]> held = new ArrayList<>();
      private long lastNanos;
      private boolean isClosed;
    }

    private Link(long number, Endpoint from, Endpoint to) {
      this.number = number;
      this.from = from;
      this.to = to;
    }

    /** The other end. */
    public Endpoint other(Endpoint end) {
      return end.equals(from) ? to : from;
    }

    /** Sends; what is sent into a link that is over is lost. */
    public void send(Endpoint by, byte[] frame) {
      if (scheduler.happens(brokenOneOf)) {
        isLost = true;
        look();
        return;
      }
      travel(by.equals(from) ? forth : back, other(by), frame);
    }

    /** Ends it: the other end learns of it after all that was sent before. */
    public void close(Endpoint by) {
      // What travels to the one that ends it is not delivered.
      (by.equals(from) ? back : forth).isClosed = true;
      travel(by.equals(from) ? forth : back, other(by), END);
    }

    private void travel(Direction way, Endpoint receiver, byte[] frame) {
      if (!isBroken && !way.isClosed) {
        long at = Math.max(scheduler.nowNanos() + delay(), way.lastNanos);
        way.lastNanos = at;
        scheduler.after(at - scheduler.nowNanos(), () -> arrive(way, receiver, frame));
      }
    }

    private boolean isOpen(Endpoint receiver) {
      return !isLost && isConnected(from.node(), to.node()) && receiver.isListening();
    }

    private void arrive(Direction way, Endpoint receiver, byte[] frame) {
      if (isBroken || way.isClosed) {
        return;
      }
      if (receiver.isAlive() && (!isOpen(receiver) || !way.held.isEmpty())) {
        way.held.add(frame);
      } else {
        take(way, receiver, frame);
      }
    }

    private void take(Direction way, Endpoint receiver, byte[] frame) {
      if (receiver.isAlive()) {
        deliver(way, receiver, frame);
      } else if (frame.length == 0) {
        // Nobody says so: the other end finds out.
        over();
      }
    }

    private void deliver(Direction way, Endpoint receiver, byte[] frame) {
      if (frame.length == 0) {
        way.isClosed = true;
        over();
        receiver.closed(this);
      } else {
        receiver.received(this, frame);
      }
    }

    private void over() {
      links.remove(number);
      stopBreaking();
    }

    private void stopBreaking() {
      if (breaks != null) {
        scheduler.cancel(breaks);
        breaks = null;
      }
    }

    private void look() {
      if (isBroken) {
        return;
      }
      boolean isWhole = !isLost && isConnected(from.node(), to.node());
      if (isWhole) {
        stopBreaking();
        release(forth, to);
        release(back, from);
      } else if (breaks == null) {
        breaks =
            scheduler.after(
                scheduler.millisBetween(timing.breakLeastMillis, timing.breakMostMillis),
                this::breakUp);
      }
    }

    private void release(Direction way, Endpoint receiver) {
      if (!way.held.isEmpty() && isOpen(receiver)) {
        scheduler.after(delay(), () -> drain(way, receiver));
      }
    }

    /** What was held stays so until then: what is still on its way comes after it. */
    private void drain(Direction way, Endpoint receiver) {
      while (!way.held.isEmpty() && !isBroken && !way.isClosed && isOpen(receiver)) {
        take(way, receiver, way.held.removeFirst());
      }
    }

    /** Both ends miss the other one. */
    private void breakUp() {
      breaks = null;
      isBroken = true;
      over();
      end(forth, to);
      end(back, from);
    }

    private void end(Direction way, Endpoint receiver) {
      if (!way.isClosed && receiver.isAlive()) {
        way.isClosed = true;
        receiver.closed(this);
      }
    }
  }
}

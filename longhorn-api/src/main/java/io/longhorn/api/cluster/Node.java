package io.longhorn.api.cluster;

import io.longhorn.api.wire.FieldReader;
import io.longhorn.api.wire.FieldWriter;
import java.util.Collections;
import java.util.List;
import java.util.Optional;
import java.util.SortedSet;
import java.util.TreeSet;

/**
 * A machine, or what stands for one.
 *
 * @param isCordoned nothing new is to be placed there (operator)
 * @param isOff its power is off, as far as a cluster on one machine can play that (operator)
 * @param allowsScheduling whether replicas may be placed there (operator)
 * @param isEvictionRequested whether every replica has to leave it (operator)
 * @param zone what it fails together with; empty: itself only
 * @param tags what volumes can ask for
 * @param disks where its replicas are, at most {@link #MAX_DISKS}
 * @param kube what the cluster's own orchestrator says of it, with since when (observation)
 * @param ready whether engines and replicas can be started there (observation)
 */
public record Node(
    String name,
    boolean isCordoned,
    boolean isOff,
    boolean allowsScheduling,
    boolean isEvictionRequested,
    String zone,
    SortedSet<String> tags,
    List<Disk> disks,
    Condition kube,
    Condition ready)
    implements ClusterObject {
  /** Most disks of one node. */
  public static final int MAX_DISKS = 64;

  /** What the disk of a node that has only one is called. */
  public static final String ONLY_DISK = "default-disk";

  /** Copies the collections. */
  public Node {
    tags = Collections.unmodifiableSortedSet(new TreeSet<>(tags));
    disks = List.copyOf(disks);
    if (disks.size() > MAX_DISKS) {
      throw new IllegalArgumentException(disks.size() + " disks are more than " + MAX_DISKS);
    }
  }

  /** A node with one disk of unknown size, as one is first seen. */
  public static Node of(String name, String diskPath, Condition ready) {
    return new Node(
        name,
        false,
        false,
        true,
        false,
        "",
        Collections.emptySortedSet(),
        List.of(Disk.of(ONLY_DISK, diskPath)),
        new Condition("KubeReady", true, "", "", ready.sinceMillis()),
        ready);
  }

  /**
   * A disk of a node: a directory below which replicas are.
   *
   * @param id its name, unique on its node
   * @param path of the directory
   * @param allowsScheduling whether replicas may be placed there (operator)
   * @param isEvictionRequested whether every replica has to leave it (operator)
   * @param maximumBytes its size, 0 if not known: then nothing is refused for lack of room
   * @param reservedBytes what is not for replicas
   * @param availableBytes what is free, as last seen
   * @param tags what volumes can ask for
   * @param isReady whether it can be used (observation)
   */
  public record Disk(
      String id,
      String path,
      boolean allowsScheduling,
      boolean isEvictionRequested,
      long maximumBytes,
      long reservedBytes,
      long availableBytes,
      SortedSet<String> tags,
      boolean isReady) {
    /** Copies the set. */
    public Disk {
      tags = Collections.unmodifiableSortedSet(new TreeSet<>(tags));
    }

    /** One of unknown size, that may be used. */
    public static Disk of(String id, String path) {
      return new Disk(id, path, true, false, 0, 0, 0, Collections.emptySortedSet(), true);
    }

    FieldWriter write() {
      FieldWriter out =
          new FieldWriter()
              .text(1, id)
              .text(2, path)
              .bool(3, allowsScheduling)
              .bool(4, isEvictionRequested)
              .number(5, maximumBytes)
              .number(6, reservedBytes)
              .number(7, availableBytes)
              .bool(8, isReady);
      out.texts(9, tags);
      return out;
    }

    static Disk read(FieldReader in) {
      return new Disk(
          in.text(1),
          in.text(2),
          in.bool(3),
          in.bool(4),
          in.number(5),
          in.number(6),
          in.number(7),
          in.allTexts(9),
          in.bool(8));
    }
  }

  @Override
  public ObjectKind kind() {
    return ObjectKind.NODE;
  }

  /** The disk of an id. */
  public Optional<Disk> disk(String id) {
    return disks.stream().filter(disk -> disk.id().equals(id)).findFirst();
  }

  /** Cordoned, or not. */
  public Node withCordon(boolean cordoned) {
    return new Node(
        name,
        cordoned,
        isOff,
        allowsScheduling,
        isEvictionRequested,
        zone,
        tags,
        disks,
        kube,
        ready);
  }

  /** With the power on or off. */
  public Node withPower(boolean off) {
    return new Node(
        name,
        isCordoned,
        off,
        allowsScheduling,
        isEvictionRequested,
        zone,
        tags,
        disks,
        kube,
        ready);
  }

  /** Open for new replicas, or not; to be emptied, or not. */
  public Node withScheduling(boolean allows, boolean evictionRequested) {
    return new Node(
        name, isCordoned, isOff, allows, evictionRequested, zone, tags, disks, kube, ready);
  }

  /** In a zone, with tags. */
  public Node with(String nextZone, SortedSet<String> nextTags) {
    return new Node(
        name,
        isCordoned,
        isOff,
        allowsScheduling,
        isEvictionRequested,
        nextZone,
        nextTags,
        disks,
        kube,
        ready);
  }

  /** With these disks. */
  public Node with(List<Disk> next) {
    return new Node(
        name,
        isCordoned,
        isOff,
        allowsScheduling,
        isEvictionRequested,
        zone,
        tags,
        next,
        kube,
        ready);
  }

  /** With what was observed. */
  public Node with(Condition kubeReady, Condition nodeReady) {
    return new Node(
        name,
        isCordoned,
        isOff,
        allowsScheduling,
        isEvictionRequested,
        zone,
        tags,
        disks,
        kubeReady,
        nodeReady);
  }

  @Override
  public FieldWriter write() {
    FieldWriter out =
        new FieldWriter()
            .text(1, name)
            .bool(2, isCordoned)
            .bool(3, isOff)
            .text(4, disks.isEmpty() ? "" : disks.getFirst().path())
            .nested(5, ready.write())
            .bool(6, allowsScheduling)
            .bool(7, isEvictionRequested)
            .text(8, zone);
    out.texts(9, tags);
    disks.forEach(disk -> out.nested(10, disk.write()));
    return out.nested(11, kube.write());
  }

  static Node read(FieldReader in) {
    Condition ready = Condition.read(in.nested(5));
    if (!in.has(11)) {
      // The first version: one disk, no orchestrator.
      Node first = of(in.text(1), in.text(4), ready);
      return first.withCordon(in.bool(2)).withPower(in.bool(3));
    }
    return new Node(
        in.text(1),
        in.bool(2),
        in.bool(3),
        in.bool(6),
        in.bool(7),
        in.text(8),
        in.allTexts(9),
        in.allNested(10).stream().map(Disk::read).toList(),
        Condition.read(in.nested(11)),
        ready);
  }
}

package io.longhorn.orchestration.command;

import io.longhorn.api.wire.FieldReader;
import io.longhorn.api.wire.FieldWriter;
import io.longhorn.api.wire.WireFormatException;

/** What a person wants of the cluster. Numbers of kinds and fields are for ever. */
public sealed interface Command {
  /** Encodes: field 1 is the kind. */
  FieldWriter write();

  /**
   * A new volume.
   *
   * @param sizeBytes whole blocks of 4 KiB
   */
  record CreateVolume(String name, long sizeBytes, int replicas, boolean isMigratable)
      implements Command {
    @Override
    public FieldWriter write() {
      return kind(1).text(2, name).number(3, sizeBytes).number(4, replicas).bool(5, isMigratable);
    }
  }

  /** Deletes a volume and its data; it may not be attached. */
  record DeleteVolume(String name) implements Command {
    @Override
    public FieldWriter write() {
      return kind(2).text(2, name);
    }
  }

  /**
   * Adds a ticket.
   *
   * @param ticket its id; empty: the node's name
   * @param nbd where clients connect; empty: a unix socket of its own
   */
  record AttachVolume(String name, String node, String ticket, String nbd) implements Command {
    @Override
    public FieldWriter write() {
      return kind(3).text(2, name).text(3, node).text(4, ticket).text(5, nbd);
    }
  }

  /** Removes tickets: the one of this id, those for this node, or all of them if both are empty. */
  record DetachVolume(String name, String node, String ticket) implements Command {
    @Override
    public FieldWriter write() {
      return kind(4).text(2, name).text(3, node).text(4, ticket);
    }
  }

  /** Takes a snapshot of an attached volume. */
  record TakeSnapshot(String volume, String snapshot) implements Command {
    @Override
    public FieldWriter write() {
      return kind(5).text(2, volume).text(3, snapshot);
    }
  }

  /** Lists the snapshots of an attached volume. */
  record ListSnapshots(String volume) implements Command {
    @Override
    public FieldWriter write() {
      return kind(6).text(2, volume);
    }
  }

  /** Compares the in-sync replicas of an attached volume, block by block. */
  record CheckVolume(String volume) implements Command {
    @Override
    public FieldWriter write() {
      return kind(7).text(2, volume);
    }
  }

  /** Turns the power of a node off, as far as one machine can play that, or on again. */
  record PowerNode(String node, boolean isOff) implements Command {
    @Override
    public FieldWriter write() {
      return kind(8).text(2, node).bool(3, isOff);
    }
  }

  /** Sends a signal to an instance manager. */
  record SignalInstanceManager(String name, String signal) implements Command {
    @Override
    public FieldWriter write() {
      return kind(9).text(2, name).text(3, signal);
    }
  }

  /** Detaches every volume, stops every process, then the daemon. Tickets stay. */
  record ShutDown() implements Command {
    @Override
    public FieldWriter write() {
      return kind(10);
    }
  }

  /** Asks who answers: the daemon's pid and version. */
  record Describe() implements Command {
    @Override
    public FieldWriter write() {
      return kind(11);
    }
  }

  private static FieldWriter kind(int kind) {
    return new FieldWriter().number(1, kind);
  }

  /** Decodes; throws {@link WireFormatException}. */
  static Command read(FieldReader in) {
    long kind = in.number(1);
    if (kind < 1 || kind > 11) {
      throw new WireFormatException("unknown command " + kind);
    }
    return switch ((int) kind) {
      case 1 -> new CreateVolume(in.text(2), in.number(3), in.intNumber(4), in.bool(5));
      case 2 -> new DeleteVolume(in.text(2));
      case 3 -> new AttachVolume(in.text(2), in.text(3), in.text(4), in.text(5));
      case 4 -> new DetachVolume(in.text(2), in.text(3), in.text(4));
      case 5 -> new TakeSnapshot(in.text(2), in.text(3));
      case 6 -> new ListSnapshots(in.text(2));
      case 7 -> new CheckVolume(in.text(2));
      case 8 -> new PowerNode(in.text(2), in.bool(3));
      case 9 -> new SignalInstanceManager(in.text(2), in.text(3));
      case 10 -> new ShutDown();
      default -> new Describe();
    };
  }
}

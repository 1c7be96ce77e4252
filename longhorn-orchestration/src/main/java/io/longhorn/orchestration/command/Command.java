package io.longhorn.orchestration.command;

import io.longhorn.api.wire.FieldReader;
import io.longhorn.api.wire.FieldWriter;
import io.longhorn.api.wire.WireFormatException;

/** What a person wants of the cluster. Numbers of kinds and fields are for ever. */
public sealed interface Command {
  /** The last kind there is. */
  int LAST_KIND = 16;

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

  /**
   * Runs a volume from another image.
   *
   * @param image empty: back to the one that it still runs from
   */
  record UpgradeVolume(String name, String image) implements Command {
    @Override
    public FieldWriter write() {
      return kind(12).text(2, name).text(3, image);
    }
  }

  /**
   * A new engine image, on every node.
   *
   * @param launcher of a runtime directory that stays where it is
   */
  record AddEngineImage(String name, String launcher, String version) implements Command {
    @Override
    public FieldWriter write() {
      return kind(13).text(2, name).text(3, launcher).text(4, version);
    }
  }

  /** Removes an engine image that nobody uses. */
  record RemoveEngineImage(String name) implements Command {
    @Override
    public FieldWriter write() {
      return kind(14).text(2, name);
    }
  }

  /** Sets a setting; an empty value: as if it had not been set. */
  record ChangeSetting(String name, String value) implements Command {
    @Override
    public FieldWriter write() {
      return kind(15).text(2, name).text(3, value);
    }
  }

  /** Nothing new is placed on a node, or again. */
  record CordonNode(String node, boolean isCordoned) implements Command {
    @Override
    public FieldWriter write() {
      return kind(16).text(2, node).bool(3, isCordoned);
    }
  }

  private static FieldWriter kind(int kind) {
    return new FieldWriter().number(1, kind);
  }

  /** Decodes; throws {@link WireFormatException}. */
  static Command read(FieldReader in) {
    long kind = in.number(1);
    if (kind < 1 || kind > LAST_KIND) {
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
      case 11 -> new Describe();
      case 12 -> new UpgradeVolume(in.text(2), in.text(3));
      case 13 -> new AddEngineImage(in.text(2), in.text(3), in.text(4));
      case 14 -> new RemoveEngineImage(in.text(2));
      case 15 -> new ChangeSetting(in.text(2), in.text(3));
      default -> new CordonNode(in.text(2), in.bool(3));
    };
  }
}

package io.longhorn.orchestration.daemon;

import io.longhorn.orchestration.Remedy;

/** What to do about a refusal, in the words of the command line. */
final class CommandWords {
  private CommandWords() {}

  static String of(Remedy remedy) {
    return switch (remedy) {
      case Remedy.SeeVolumes _ -> "see longhorn volume ls";
      case Remedy.SeeNodes _ -> "see longhorn node ls";
      case Remedy.SeeImages _ -> "see longhorn engine-image ls";
      case Remedy.SeeSettings _ -> "see longhorn setting ls";
      case Remedy.DetachAll(String volume) -> "longhorn volume detach " + volume + " --all";
      case Remedy.DetachTicket(String volume, String ticket) ->
          "longhorn volume detach " + volume + " --ticket " + ticket;
      case Remedy.RollBack(String volume) ->
          "see longhorn volume get "
              + volume
              + ", or give it up: longhorn volume upgrade "
              + volume
              + " --rollback";
    };
  }
}

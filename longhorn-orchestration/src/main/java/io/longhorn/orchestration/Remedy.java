package io.longhorn.orchestration;

/**
 * What somebody can do whose request was refused. Whoever offers a control plane to people puts it
 * into words: a command, a button.
 */
public sealed interface Remedy {
  /** Look which volumes there are. */
  record SeeVolumes() implements Remedy {}

  /** Look which nodes there are, and how they are. */
  record SeeNodes() implements Remedy {}

  /** Look which engine images there are. */
  record SeeImages() implements Remedy {}

  /** Look which settings there are. */
  record SeeSettings() implements Remedy {}

  /** Take every ticket of a volume away. */
  record DetachAll(String volume) implements Remedy {}

  /** Take one ticket of a volume away. */
  record DetachTicket(String volume, String ticket) implements Remedy {}

  /** Give the upgrade of a volume up. */
  record RollBack(String volume) implements Remedy {}
}

package io.longhorn.engine.membership;

/**
 * Who keeps the membership record. It answers the three questions in which the protocols differ:
 * when may an opening go on, which sets may follow the ones in force, and when is a proposal
 * durable. The cluster store's compare-and-set record will be the second permitted type; every
 * switch over this one then has to answer for it too.
 */
public sealed interface Authority {
  /** The replicas keep it themselves: {@code authority replicas}. */
  record Replicas() implements Authority {}
}

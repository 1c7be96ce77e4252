package io.longhorn.orchestration.store;

/** The contract, in memory. */
final class MemoryClusterStoreTest extends ClusterStoreContract {
  @Override
  ClusterStore open() {
    return new MemoryClusterStore();
  }
}

/**
 * The other side of NBD: a small client of our own, and a load that knows what every read may
 * return. For demonstrations and for tests of any NBD server or block device, ours first.
 */
@NullMarked
package io.longhorn.engine.client;

import org.jspecify.annotations.NullMarked;

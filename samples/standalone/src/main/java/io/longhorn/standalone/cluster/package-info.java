/** The commands that start, drive and show a cluster on this machine. */
@NullMarked
package io.longhorn.standalone.cluster;

import org.jspecify.annotations.NullMarked;

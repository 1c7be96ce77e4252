/** A block device as a Java program sees it. */
@NullMarked
package io.longhorn.api.block;

import org.jspecify.annotations.NullMarked;

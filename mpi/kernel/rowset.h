/* rowset.h - what the framework knows of rowsets besides perigee/table.h. */
#ifndef MPI_KERNEL_ROWSET_H
#define MPI_KERNEL_ROWSET_H

#include "perigee/table.h"

size_t peri_coltype_size(peri_coltype_t type); /* bytes of one value */

#endif

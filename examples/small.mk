# Make the small pictures that are older than their originals, or missing:
#
#   make -j 2 -f examples/small.mk PHOTOS=photos SMALL=small OPTIONS='--scale 2'
#
# Make decides by dates and knows no names with spaces; for those use irn's own --on-existing resume.
PHOTOS ?= photos
SMALL ?= small
OPTIONS ?=
pictures := $(wildcard $(PHOTOS)/*.jpg)

all: $(patsubst $(PHOTOS)/%.jpg,$(SMALL)/%.png,$(pictures))

$(SMALL)/%.png: $(PHOTOS)/%.jpg
	irn downscale $< -o $@ --on-existing overwrite --threads 1 -q $(OPTIONS)

.PHONY: all

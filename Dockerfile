# The workflow with all that it needs, in the versions of requirements.lock.
#
#     docker build --tag spikelab-export .
#
# It works in /data, where config/, the sources and results/ are; without config/ there it exports
# the examples. What stands after the name of the image goes to snakemake:
#
#     docker run --rm --user "$(id -u):$(id -g)" --volume "$PWD:/data" spikelab-export --cores 8
#     docker run --rm --user "$(id -u):$(id -g)" --volume "$PWD:/data" \
#         --entrypoint spikelab spikelab-export inspect results/a/a.nwb
#
# Sources outside of the folder need a --volume of their own, keys for S3 an --env (by name only:
# --env AWS_ACCESS_KEY_ID). With --read-only, add --tmpfs /tmp. On a cluster without Docker:
#
#     docker save spikelab-export --output spikelab-export.tar      # where there is Docker
#     apptainer build spikelab-export.sif docker-archive:spikelab-export.tar
#     apptainer run --bind "$PWD:/data" --pwd /data spikelab-export.sif --cores 8

# Debian's compilers are in here: some packages have no wheel for some machines.
FROM python:3.13-trixie AS build
WORKDIR /build
COPY requirements.lock ./
# What builds such packages has the version of the lock, too.
ENV PIP_NO_CACHE_DIR=1 PIP_DISABLE_PIP_VERSION_CHECK=1 \
    PIP_CONSTRAINT=/build/build.txt PIP_BUILD_CONSTRAINT=/build/build.txt
RUN grep -o '^setuptools==[^ ]*' requirements.lock > build.txt \
    && python -m venv /opt/venv \
    && /opt/venv/bin/pip install --require-hashes --requirement requirements.lock
COPY pyproject.toml README.md ./
COPY spikelab spikelab
RUN /opt/venv/bin/pip install --no-deps .

FROM python:3.13-slim-trixie
LABEL org.opencontainers.image.title="spikelab-export" \
    org.opencontainers.image.licenses="MIT"
COPY --from=build /opt/venv /opt/venv
COPY . /opt/spikelab-export
# Any user may run it, with or without a name: only /data and the home folder are written to.
ENV PATH=/opt/venv/bin:$PATH HOME=/tmp USER=spikelab PYTHONDONTWRITEBYTECODE=1
USER 65534:65534
WORKDIR /data
ENTRYPOINT ["snakemake", "--snakefile", "/opt/spikelab-export/Snakefile"]
CMD ["--cores", "all"]

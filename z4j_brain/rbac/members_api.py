"""Who belongs to a project over the API: members, invitations, grants, service tokens; people and groups."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

from django.db.models import QuerySet
from django.urls import path, reverse
from drf_spectacular.utils import extend_schema
from rest_framework import mixins, serializers, status
from rest_framework.request import Request
from rest_framework.response import Response

from z4j_brain.rbac import access, actions, granting, joining, queries, rosters, servicetokens
from z4j_brain.rbac.api import MAX_DAYS, MintedSerializer, TokenSerializer
from z4j_brain.rbac.door import Door, StrictSerializer
from z4j_brain.rbac.granted import MOST_GLOB, Grant, Group, Invitation
from z4j_brain.rbac.models import Environment, Membership, Project, Token, User
from z4j_brain.rbac.states import SERVICE_PERMISSIONS, Effect, Permission, Role


class _Reasoned(StrictSerializer):
    reason = serializers.CharField(max_length=500, required=False, allow_blank=True, default="")


class _Placed(_Reasoned):
    environment = serializers.SlugField(
        max_length=64, required=False, allow_null=True, default=None, help_text="Only there; left out: everywhere."
    )


class ProjectDoor(Door):
    """A view on one project. Whoever sees none of it gets the 404 of one that does not exist."""

    project: Project

    def initial(self, request: Request, *args: Any, **kwargs: Any) -> None:
        super().initial(request, *args, **kwargs)
        self.project = rosters.project(self.actor, self.kwargs["slug"])

    def place(self, asked: dict[str, Any]) -> Project | Environment:
        """What the body is about: the environment that it names, or the whole project."""
        found = rosters.environment(self.project, asked.pop("environment"), self.actor) or self.project
        queries.require(self.actor, Permission.MANAGE_MEMBERS, found)
        return found

    def person(self, username: str) -> User:
        found = rosters.by_name(username)
        if found is None:
            raise serializers.ValidationError({"username": ["Nobody goes by this name."]})
        return found


class MemberSerializer(serializers.ModelSerializer[Membership]):
    user = serializers.UUIDField(source="user_id")
    username = serializers.CharField(source="user.username")
    is_active = serializers.BooleanField(source="user.is_active")
    environment = serializers.CharField(source="environment.slug", default=None, allow_null=True)

    class Meta:
        model = Membership
        fields = ["id", "user", "username", "is_active", "environment", "role", "created_at"]


class SetRoleSerializer(_Placed):
    username = serializers.CharField(max_length=150)
    role = serializers.ChoiceField(choices=Role.choices)


class MemberView(mixins.ListModelMixin, mixins.RetrieveModelMixin, ProjectDoor):
    """Roles that were given to people by name. Roles by group or grant stand among the grants."""

    queryset: QuerySet[Membership] = QuerySet(Membership).none()
    serializer_class = MemberSerializer

    def get_queryset(self) -> QuerySet[Membership]:
        return rosters.members(self.actor, self.project).order_by()

    @extend_schema(request=SetRoleSerializer, responses={200: MemberSerializer})
    def create(self, request: Request, slug: str) -> Response:
        """Give a person a role here, in place of the one that they have."""
        asked = self.valid(SetRoleSerializer)
        place, role = self.place(asked), Role(asked["role"])
        user = self.person(asked["username"])
        made = actions.set_membership(place, user, role, actor=self.actor, reason=asked["reason"])
        return Response(MemberSerializer(made).data)

    @extend_schema(responses={204: None})
    def destroy(self, request: Request, slug: str, pk: int) -> Response:
        """Take the role away. The last owner of a project stays."""
        found: Membership = self.get_object()
        place = found.environment or found.project
        actions.set_membership(place, found.user, None, actor=self.actor)
        return Response(status=status.HTTP_204_NO_CONTENT)


class InvitationSerializer(serializers.ModelSerializer[Invitation]):
    environment = serializers.CharField(source="environment.slug", default=None, allow_null=True)
    invited_by = serializers.CharField(source="invited_by.username", default=None, allow_null=True)

    class Meta:
        model = Invitation
        fields = ["id", "sent_to", "role", "environment", "invited_by", "created_at", "expires_at"]


class InvitedSerializer(InvitationSerializer):
    """The one answer that holds the link."""

    link = serializers.URLField(read_only=True)

    class Meta(InvitationSerializer.Meta):
        fields = [*InvitationSerializer.Meta.fields, "link"]


class InviteSerializer(_Placed):
    sent_to = serializers.CharField(max_length=254, help_text="An address or a name, for people to read.")
    role = serializers.ChoiceField(choices=Role.choices)


class InvitationView(mixins.ListModelMixin, mixins.RetrieveModelMixin, ProjectDoor):
    """Open invitations, for whoever manages members here."""

    queryset: QuerySet[Invitation] = QuerySet(Invitation).none()
    serializer_class = InvitationSerializer

    def get_queryset(self) -> QuerySet[Invitation]:
        return rosters.invitations(self.actor, self.project)

    @extend_schema(request=InviteSerializer, responses={201: InvitedSerializer})
    def create(self, request: Request, slug: str) -> Response:
        """An invitation for seven days. Its link is told this once: send it on yourself."""
        asked = self.valid(InviteSerializer)
        place, role = self.place(asked), Role(asked["role"])
        made, link = joining.invite(place, asked["sent_to"], role, actor=self.actor, reason=asked["reason"])
        address = request.build_absolute_uri(reverse("invitation", args=[link]))
        return Response(InvitedSerializer(made).data | {"link": address}, status.HTTP_201_CREATED)

    @extend_schema(responses={204: None})
    def destroy(self, request: Request, slug: str, pk: UUID) -> Response:
        joining.uninvite(self.get_object(), actor=self.actor)
        return Response(status=status.HTTP_204_NO_CONTENT)


class GrantSerializer(serializers.ModelSerializer[Grant]):
    """`subject`: the user name, the name of the group, or of the service token."""

    kind = serializers.SerializerMethodField()
    subject = serializers.SerializerMethodField()
    environment = serializers.CharField(source="environment.slug", default=None, allow_null=True)

    class Meta:
        model = Grant
        fields = ["id", "kind", "subject", "effect", "role", "permission", "environment", "queue_glob", "task_glob"]
        fields += ["expires_at", "reason", "granted_by", "created_at"]

    def get_kind(self, grant: Grant) -> str:
        return str(grant.subject._meta.model_name)

    def get_subject(self, grant: Grant) -> str:
        subject = grant.subject
        return subject.username if isinstance(subject, User) else subject.name


class GiveSerializer(_Placed):
    """One of `username`, `group` and `token`, and one of `role` and `permission`."""

    username = serializers.CharField(max_length=150, required=False)
    group = serializers.CharField(max_length=64, required=False)
    token = serializers.UUIDField(required=False, help_text="A service token of this project.")
    role = serializers.ChoiceField(choices=Role.choices, required=False)
    permission = serializers.ChoiceField(choices=Permission.choices, required=False)
    effect = serializers.ChoiceField(choices=Effect.choices, default=Effect.ALLOW)
    queue_glob = serializers.CharField(max_length=MOST_GLOB, required=False, allow_blank=True, default="")
    task_glob = serializers.CharField(max_length=MOST_GLOB, required=False, allow_blank=True, default="")
    expires_at = serializers.DateTimeField(required=False, allow_null=True, default=None)

    def validate(self, asked: dict[str, Any]) -> dict[str, Any]:
        for names in (("username", "group", "token"), ("role", "permission")):
            if sum(name in asked for name in names) != 1:
                raise serializers.ValidationError({names[0]: [f"Exactly one of {', '.join(names)}."]})
        return asked


class GrantView(mixins.ListModelMixin, mixins.RetrieveModelMixin, ProjectDoor):
    """What is allowed and denied beside roles, for whoever manages members or reads the audit trail here."""

    queryset: QuerySet[Grant] = QuerySet(Grant).none()
    serializer_class = GrantSerializer

    def get_queryset(self) -> QuerySet[Grant]:
        return rosters.grants(self.actor, self.project).order_by()

    @extend_schema(request=GiveSerializer, responses={201: GrantSerializer})
    def create(self, request: Request, slug: str) -> Response:
        """Allow or deny. A denial beats everything that allows."""
        asked = self.valid(GiveSerializer)
        place, subject = self.place(asked), self._subject(asked)
        what: Role | Permission = Role(asked["role"]) if "role" in asked else Permission(asked["permission"])
        expires_at: datetime | None = asked["expires_at"]
        made = granting.give(
            place,
            subject,
            what,
            effect=Effect(asked["effect"]),
            queue_glob=asked["queue_glob"],
            task_glob=asked["task_glob"],
            expires_at=expires_at,
            actor=self.actor,
            reason=asked["reason"],
        )
        return Response(GrantSerializer(made).data, status.HTTP_201_CREATED)

    @extend_schema(responses={204: None})
    def destroy(self, request: Request, slug: str, pk: UUID) -> Response:
        granting.revoke(self.get_object(), actor=self.actor)
        return Response(status=status.HTTP_204_NO_CONTENT)

    def _subject(self, asked: dict[str, Any]) -> User | Group | Token:
        if "username" in asked:
            return self.person(asked["username"])
        found: Group | Token | None
        if "group" in asked:
            found = rosters.group_by_name(asked["group"])
        else:
            found = rosters.service_tokens(self.actor, self.project).filter(pk=asked["token"]).first()
        if found is None:
            raise serializers.ValidationError({"group" if "group" in asked else "token": ["Not found."]})
        return found


class ServiceTokenSerializer(TokenSerializer):
    environment = serializers.CharField(source="environment.slug", default=None, allow_null=True)

    class Meta(TokenSerializer.Meta):
        fields = [*TokenSerializer.Meta.fields, "environment"]


class MintServiceSerializer(_Placed):
    name = serializers.CharField(max_length=128)
    scopes = serializers.ListField(
        child=serializers.ChoiceField(choices=sorted((one.value, one.label) for one in SERVICE_PERMISSIONS)),
        min_length=1,
    )
    days = serializers.IntegerField(min_value=1, max_value=MAX_DAYS, default=90)


class RotateSerializer(_Reasoned):
    days = serializers.IntegerField(min_value=1, max_value=MAX_DAYS, default=90)


class ServiceTokenView(mixins.ListModelMixin, mixins.RetrieveModelMixin, ProjectDoor):
    """Tokens that belong to the project and to no person."""

    queryset: QuerySet[Token] = QuerySet(Token).none()
    serializer_class = ServiceTokenSerializer

    def get_queryset(self) -> QuerySet[Token]:
        return rosters.service_tokens(self.actor, self.project)

    @extend_schema(request=MintServiceSerializer, responses={201: MintedSerializer})
    def create(self, request: Request, slug: str) -> Response:
        """Mint one. Its text is told this once."""
        asked = self.valid(MintServiceSerializer)
        place = self.place(asked)
        scopes = [Permission(one) for one in asked["scopes"]]
        made, text = servicetokens.mint(
            place, asked["name"], scopes, days=asked["days"], actor=self.actor, reason=asked["reason"]
        )
        return Response(MintedSerializer(made).data | {"token": text}, status.HTTP_201_CREATED)

    @extend_schema(request=RotateSerializer, responses={200: MintedSerializer})
    def rotate(self, request: Request, slug: str, pk: UUID) -> Response:
        """A new secret for the same token, told this once. The old one ends at once."""
        asked, token = self.valid(RotateSerializer), self.get_object()
        made, text = servicetokens.rotate(token, days=asked["days"], actor=self.actor, reason=asked["reason"])
        return Response(MintedSerializer(made).data | {"token": text})

    @extend_schema(responses={204: None})
    def destroy(self, request: Request, slug: str, pk: UUID) -> Response:
        servicetokens.revoke(self.get_object(), actor=self.actor)
        return Response(status=status.HTTP_204_NO_CONTENT)


class PersonSerializer(serializers.ModelSerializer[User]):
    class Meta:
        model = User
        fields = ["id", "username", "is_active", "is_staff", "date_joined"]


class PersonView(mixins.ListModelMixin, mixins.RetrieveModelMixin, Door):
    """The people whom the caller may know of. Accounts are disabled and enabled by instance administrators."""

    queryset: QuerySet[User] = QuerySet(User).none()
    serializer_class = PersonSerializer

    def get_queryset(self) -> QuerySet[User]:
        return rosters.people(self.actor).order_by()

    @extend_schema(request=_Reasoned, responses={200: PersonSerializer})
    def disable(self, request: Request, pk: UUID) -> Response:
        """End sign-in, sessions, tokens and open pages of a person at once."""
        return self._set(joining.disable, pk)

    @extend_schema(request=_Reasoned, responses={200: PersonSerializer})
    def enable(self, request: Request, pk: UUID) -> Response:
        return self._set(joining.enable, pk)

    def _set(self, action: Any, pk: UUID) -> Response:
        person, reason = rosters.person(self.actor, pk), self.valid(_Reasoned)["reason"]
        action(person, actor=self.actor, reason=reason)
        return Response(PersonSerializer(rosters.person(self.actor, pk)).data)


class PeopleGroupSerializer(serializers.ModelSerializer[Group]):
    members = serializers.SerializerMethodField()

    class Meta:
        model = Group
        fields = ["id", "name", "claim", "members", "created_at"]

    def get_members(self, group: Group) -> list[dict[str, str]]:
        return [{"username": one.user.username, "source": one.source} for one in group.members.all()]


class MakeGroupSerializer(_Reasoned):
    name = serializers.CharField(max_length=64)
    claim = serializers.CharField(max_length=255, required=False, allow_blank=True, default="")


class InGroupSerializer(_Reasoned):
    username = serializers.CharField(max_length=150)


class GroupView(mixins.ListModelMixin, mixins.RetrieveModelMixin, Door):
    """Groups of people, for instance administrators. `claim`: the value of a sign-in's claim that puts people in."""

    queryset: QuerySet[Group] = QuerySet(Group).none()
    serializer_class = PeopleGroupSerializer

    def get_queryset(self) -> QuerySet[Group]:
        return rosters.groups(self.actor).order_by()

    @extend_schema(request=MakeGroupSerializer, responses={201: PeopleGroupSerializer})
    def create(self, request: Request) -> Response:
        rosters.groups(self.actor)
        asked = self.valid(MakeGroupSerializer)
        made = granting.create_group(
            access.INSTANCE, asked["name"], claim=asked["claim"], actor=self.actor, reason=asked["reason"]
        )
        return Response(PeopleGroupSerializer(made).data, status.HTTP_201_CREATED)

    @extend_schema(responses={204: None})
    def destroy(self, request: Request, pk: int) -> Response:
        """With all that was granted to it."""
        granting.delete_group(self.get_object(), actor=self.actor)
        return Response(status=status.HTTP_204_NO_CONTENT)

    @extend_schema(request=InGroupSerializer, responses={200: PeopleGroupSerializer})
    def add(self, request: Request, pk: int) -> Response:
        return self._set(granting.add_to_group)

    @extend_schema(request=InGroupSerializer, responses={200: PeopleGroupSerializer})
    def remove(self, request: Request, pk: int) -> Response:
        return self._set(granting.remove_from_group)

    def _set(self, action: Any) -> Response:
        group, asked = self.get_object(), self.valid(InGroupSerializer)
        user = rosters.by_name(asked["username"])
        if user is None:
            raise serializers.ValidationError({"username": ["Nobody goes by this name."]})
        action(group, user, actor=self.actor, reason=asked["reason"])
        return Response(PeopleGroupSerializer(self.get_object()).data)


_LIST: dict[str, Any] = {"get": "list", "post": "create"}
_ONE: dict[str, Any] = {"get": "retrieve", "delete": "destroy"}
_OF = "projects/<slug:slug>/"
routes = [
    path(f"{_OF}members/", MemberView.as_view(_LIST), name="api-members"),
    path(f"{_OF}members/<int:pk>/", MemberView.as_view(_ONE), name="api-member"),
    path(f"{_OF}invitations/", InvitationView.as_view(_LIST), name="api-invitations"),
    path(f"{_OF}invitations/<uuid:pk>/", InvitationView.as_view(_ONE), name="api-invitation"),
    path(f"{_OF}grants/", GrantView.as_view(_LIST), name="api-grants"),
    path(f"{_OF}grants/<uuid:pk>/", GrantView.as_view(_ONE), name="api-grant"),
    path(f"{_OF}tokens/", ServiceTokenView.as_view(_LIST), name="api-service-tokens"),
    path(f"{_OF}tokens/<uuid:pk>/", ServiceTokenView.as_view(_ONE), name="api-service-token"),
    path(
        f"{_OF}tokens/<uuid:pk>/rotate/", ServiceTokenView.as_view({"post": "rotate"}), name="api-service-token-rotate"
    ),
    path("users/", PersonView.as_view({"get": "list"}), name="api-users"),
    path("users/<uuid:pk>/", PersonView.as_view({"get": "retrieve"}), name="api-user"),
    path("users/<uuid:pk>/disable/", PersonView.as_view({"post": "disable"}), name="api-user-disable"),
    path("users/<uuid:pk>/enable/", PersonView.as_view({"post": "enable"}), name="api-user-enable"),
    path("groups/", GroupView.as_view(_LIST), name="api-groups"),
    path("groups/<int:pk>/", GroupView.as_view({"get": "retrieve", "delete": "destroy"}), name="api-group"),
    path("groups/<int:pk>/add/", GroupView.as_view({"post": "add"}), name="api-group-add"),
    path("groups/<int:pk>/remove/", GroupView.as_view({"post": "remove"}), name="api-group-remove"),
]
